"""The aggregate of the tree index, and its sink, which rolls up and writes the files of the index."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Check, Sink
from lurge.aggregate.tree import TreeTally
from lurge.errors import VolumeError
from lurge.kernels.parse import LONGEST_LINE
from lurge.kernels.rollup import (
    ARENA,
    CELLS,
    DEPTH,
    DIRECTORIES,
    DONE,
    HEAP,
    LEAST_LIMIT,
    LIMIT,
    MEASURES,
    MORE_CELLS,
    MORE_ROOM,
    NAMES,
    OWN,
    OWN_CELLS,
    PATH_LENGTH,
    TOO_LARGE,
    TOTAL,
    USAGE,
    USAGE_COLUMNS,
    roll_up,
)
from lurge.kernels.tree import FIRST_CELL, TEXT, TEXT_LENGTH
from lurge.model.report import Counts
from lurge.model.rules import FileType, Rules
from lurge.model.tree import ENDS, Run, TreeTotals
from lurge.store.tree.write import TO_TRANSLATED, IndexWriter

LEVELS = int(LONGEST_LINE) // 2 + 4
ROOM_DIRECTORIES, ROOM_NAMES, ROOM_CELLS = 1 << 14, 1 << 22, 1 << 17
PARTS = ("text", "directories", "cells")


@dataclass(frozen=True)
class TreeIndex(Aggregate["list[Run] | TreeTotals", TreeTotals]):
    """The index of a volume. folder: where its files are written, which every rank must see; mount: the volume's path.

    filetypes: in the order in which they are tried.
    """

    folder: Path
    mount: str
    filetypes: tuple[FileType, ...]
    name: str = "tree"

    def tally(self, rules: Rules) -> TreeTally:
        return TreeTally(rules, self.filetypes)

    def open_sink(self) -> RollUp:
        return RollUp(self.folder, self.mount, self.filetypes)

    def result(self, export: list[Run] | TreeTotals, rules: Rules) -> TreeTotals:
        assert isinstance(export, TreeTotals)
        return export

    def checks(self, result: TreeTotals, counts: Counts) -> Iterable[Check]:
        both = counts.attributed_bytes + counts.unattributed_bytes
        yield Check("present records = records of the tree", counts.attributed + counts.unattributed, result.records)
        yield Check("all bytes = bytes of the tree", both, result.bytes)


class RollUp(Sink["list[Run] | TreeTotals"]):
    """Keeps runs in files, and rolls them up at the end. Every method raises VolumeError."""

    def __init__(self, folder: Path, mount: str, filetypes: Sequence[FileType]) -> None:
        self._folder = folder
        self._top = translate(mount.rstrip("/").encode("utf-8", "surrogateescape"))
        self._filetypes = filetypes
        self._ends: list[int] = []
        self._sizes = [0, 0]
        self._cells = 0
        with writing(folder):
            folder.mkdir(parents=True)
            self._files: list[BinaryIO] = [(folder / f".{part}").open("w+b") for part in PARTS]

    def add(self, first_line: int, lines: int, portion: Run) -> None:
        with writing(self._folder):
            self._append(portion)

    def _append(self, run: Run) -> None:
        directories = run.directories.copy()
        directories[:, TEXT] += self._sizes[0]
        directories[:, FIRST_CELL] += self._cells
        for file, array in zip(self._files, (run.text, directories, run.cells), strict=True):
            file.write(array.data)
        self._sizes[0] += len(run.text)
        self._cells += len(run.cells)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(directories))

    def finish(self, export: list[Run] | TreeTotals) -> TreeTotals:
        assert not isinstance(export, TreeTotals)
        with writing(self._folder):
            for run in export:
                self._append(run)
            # The end of the last directory's cells.
            self._files[1].write(np.array([0, 0, self._cells], np.int64).data)
            try:
                return self._roll_up()
            finally:
                for file, part in zip(self._files, PARTS, strict=True):
                    file.close()
                    (self._folder / f".{part}").unlink()

    def _roll_up(self) -> TreeTotals:
        maps = [as_map(file) for file in self._files]
        text = np.frombuffer(maps[0], np.uint8)
        directories = np.frombuffer(maps[1], np.int64).reshape(-1, 3)
        cells = np.frombuffer(maps[2], np.int64)[: self._cells * 8].reshape(-1, 8)
        ends = np.array(self._ends, np.int64)
        position = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]

        def path(number: int) -> bytes:
            start, length = directories[number, TEXT], directories[number, TEXT_LENGTH]
            return text[start : start + length].tobytes()

        outermost = [path(number) for number in (*position.tolist(), *(ends - 1).tolist())]
        top = common_directory([self._top, *outermost])
        heap = np.array(sorted(range(len(ends)), key=lambda run: path(int(position[run]))), np.int64)
        state = np.zeros(9, np.int64)
        state[DEPTH], state[HEAP] = 1, len(ends)
        stack, closed = np.zeros((LEVELS, 5), np.int64), np.zeros(LEVELS + 1, np.int64)
        stack[0, PATH_LENGTH], stack[0, LIMIT] = len(top), LEAST_LIMIT
        open_path = np.zeros(int(LONGEST_LINE) + 1, np.uint8)
        open_path[: len(top)] = np.frombuffer(top, np.uint8)
        writer = IndexWriter(self._folder, [filetype.name for filetype in self._filetypes] + list(ENDS))
        arena = Arena(ROOM_CELLS)
        outputs = new_outputs(ROOM_CELLS)
        owners: tuple[set[int], set[int]] = set(), set()
        reason = -1
        while reason != DONE:
            reason = roll_up(
                len(self._filetypes), text, directories, cells, position, ends, heap, open_path, stack, closed,
                *arena.arrays, state, *outputs,
            )  # fmt: skip
            if reason == TOO_LARGE:
                raise VolumeError("the sum of the bytes of a directory does not fit 63 bits")
            if reason == MORE_CELLS:
                arena.grow(int(state[ARENA]))
                continue
            write(writer, state, outputs)
            totals = outputs[0][max(state[DIRECTORIES] - 1, 0), TOTAL : TOTAL + MEASURES].copy()
            if state[DEPTH] == 0:
                usage = outputs[3][: state[USAGE]]
                owners[0].update(usage[:, 0].tolist())
                owners[1].update(usage[:, 1].tolist())
            if reason == MORE_ROOM:
                outputs = new_outputs(2 * len(outputs[2]))
            for used in (DIRECTORIES, NAMES, CELLS, USAGE, OWN, OWN_CELLS):
                state[used] = 0
            for one_map in maps:
                one_map.madvise(mmap.MADV_DONTNEED)
        writer.close()
        return TreeTotals(int(totals[0]), int(totals[3]), writer.directories, sorted(owners[0]), sorted(owners[1]))


def as_map(file: BinaryIO) -> mmap.mmap:
    """The contents of a file, which is at least a byte long, in memory; changes are not written."""
    file.flush()
    if file.tell() == 0:
        file.write(bytes(64))
        file.flush()
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


class Arena:
    """The cells of open directories, and what sorting them needs."""

    def __init__(self, cells: int) -> None:
        self.arrays: tuple[Any, ...] = ()
        self._make(cells)

    def _make(self, cells: int) -> None:
        order, other = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self.arrays = np.zeros((cells, 8), np.int64), order, other, np.zeros((cells, 8), np.int64)

    def grow(self, used: int) -> None:
        """Double the room."""
        old = self.arrays[0]
        self._make(2 * len(old))
        self.arrays[0][:used] = old[:used]


def new_outputs(cells: int) -> tuple[Any, ...]:
    """Room for the outputs of `roll_up`."""
    return (
        np.zeros((ROOM_DIRECTORIES, TOTAL + MEASURES), np.int64),
        np.zeros(ROOM_NAMES, np.uint8),
        np.zeros((cells, 8), np.int64),
        np.zeros((cells, USAGE_COLUMNS), np.int64),
        np.zeros((ROOM_DIRECTORIES, 3), np.int64),
        np.zeros((cells, 8), np.int64),
    )


def write(writer: IndexWriter, state: npt.NDArray[np.int64], outputs: tuple[Any, ...]) -> None:
    """Write what the outputs hold."""
    rows, names, cells, usage, own, own_cells = outputs
    if state[DIRECTORIES]:
        writer.add_directories(
            rows[: state[DIRECTORIES]], names[: state[NAMES]], cells[: state[CELLS]], usage[: state[USAGE]]
        )
    if state[OWN]:
        writer.add_own(own[: state[OWN]], own_cells[: state[OWN_CELLS]])


def translate(path: bytes) -> bytes:
    """A path as kernels.tree sorts it, the root as the empty one."""
    return TO_TRANSLATED[np.frombuffer(path, np.uint8)].tobytes()


def common_directory(paths: Sequence[bytes]) -> bytes:
    """The deepest directory that is, or is above, every one of some translated paths."""
    first, last = min(paths).split(b"\0"), max(paths).split(b"\0")
    shared = next((i for i, (left, right) in enumerate(zip(first, last, strict=False)) if left != right), None)
    return b"\0".join(first[:shared])


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn OSError into VolumeError."""
    try:
        yield
    except OSError as error:
        raise VolumeError(
            f"cannot write below {folder}: {error.strerror}", "Free space or correct the permissions."
        ) from error
