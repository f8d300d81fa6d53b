"""The aggregate of the tree index, and its sink, which rolls up and writes the files of the index."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Check, Sink
from lurge.aggregate.rollup import roll_up_runs
from lurge.aggregate.tree import TreeTally
from lurge.atomic import writing_volume
from lurge.kernels.rollup import TOTAL
from lurge.kernels.tree import CELL_COLUMNS, FIRST_CELL, GID, KEY, LARGEST, TEXT, UID_SHIFT
from lurge.model.report import Counts
from lurge.model.rules import FileType, Rules
from lurge.model.tree import ENDS, Run, TreeTotals
from lurge.store.tree.write import TO_TRANSLATED, IndexWriter

PARTS = ("text", "directories", "cells")


@dataclass(frozen=True)
class TreeIndex(Aggregate[Any, TreeTotals]):
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

    def result(self, export: TreeTotals, rules: Rules) -> TreeTotals:
        return export

    def checks(self, result: TreeTotals, counts: Counts) -> Iterable[Check]:
        both = min(counts.attributed_bytes + counts.unattributed_bytes, int(LARGEST))
        yield Check("present records = records of the tree", counts.attributed + counts.unattributed, result.records)
        yield Check("all bytes = bytes of the tree", both, result.bytes)


class RollUp(Sink[Any]):
    """Keeps runs in files, and rolls them up at the end. Every method raises VolumeError."""

    def __init__(self, folder: Path, mount: str, filetypes: Sequence[FileType]) -> None:
        self._folder = folder
        mount_bytes = mount.rstrip("/").encode("utf-8", "surrogateescape")
        self._mount = TO_TRANSLATED[np.frombuffer(mount_bytes, np.uint8)].tobytes()
        self._filetypes = filetypes
        self._ends: list[int] = []
        self._names = self._cells = 0
        with writing_volume(folder):
            folder.mkdir(parents=True)
            self._files: list[BinaryIO] = [(folder / f".{part}").open("w+b") for part in PARTS]

    def add(self, first_line: int, lines: int, portion: Run) -> None:
        with writing_volume(self._folder):
            self._append(portion)

    def _append(self, run: Run) -> None:
        directories = run.directories.copy()
        directories[:, TEXT] += self._names
        directories[:, FIRST_CELL] += self._cells
        arrays: tuple[npt.NDArray[Any], ...] = (run.text, directories, run.cells)
        for file, array in zip(self._files, arrays, strict=True):
            file.write(array.data)
        self._names += len(run.text)
        self._cells += len(run.cells)
        self._ends.append((self._ends[-1] if self._ends else 0) + len(directories))

    def finish(self, export: list[Run]) -> TreeTotals:
        with writing_volume(self._folder):
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
        runs = Run(
            text=np.frombuffer(maps[0], np.uint8),
            directories=np.frombuffer(maps[1], np.int64).reshape(-1, 3),
            cells=np.frombuffer(maps[2], np.int64)[: self._cells * CELL_COLUMNS].reshape(-1, CELL_COLUMNS),
        )
        writer = IndexWriter(self._folder, [*(filetype.name for filetype in self._filetypes), *ENDS])
        records = bytes_ = 0
        gids: set[int] = set()
        uids: set[int] = set()
        try:
            for part in roll_up_runs(runs, self._ends, self._mount, len(self._filetypes)):
                writer.add(part)
                # What was read is no longer needed in memory.
                for one_map in maps:
                    one_map.madvise(mmap.MADV_DONTNEED)
                if part.is_last:
                    records, bytes_ = part.directories[-1, TOTAL].item(), part.directories[-1, TOTAL + 3].item()
                    gids.update(part.cells[:, GID].tolist())
                    uids.update((part.cells[:, KEY] >> UID_SHIFT & 0xFFFFFFFF).tolist())
        except BaseException:
            writer.abandon()
            raise
        rows = writer.close()
        return TreeTotals(records, bytes_, writer.directories, rows, sorted(gids), sorted(uids))


def as_map(file: BinaryIO) -> mmap.mmap:
    """The contents of a file in memory; changes are not written. An empty file gets some bytes, to have any."""
    if file.tell() == 0:
        file.write(bytes(64))
    file.flush()
    contents = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    # Runs are read at many places at once: large pages would count as memory.
    with suppress(OSError):
        contents.madvise(mmap.MADV_NOHUGEPAGE)
    return contents
