"""Rolling up runs of directories: windows on the runs, and the other arrays of `kernels.rollup.roll_up`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lurge.kernels.cells import CELL_COLUMNS, LONGEST_CELL
from lurge.kernels.open_cells import CELLS_HEAD, fill_slots
from lurge.kernels.parse import LONGEST_LINE
from lurge.kernels.rollup import (
    CELL_BYTES,
    CELLS,
    DEPTH,
    DIRECTORIES,
    DONE,
    HEAP,
    MEASURES,
    MORE_CELLS,
    MORE_OWN,
    MORE_ROOM,
    MORE_TEXT,
    NAMES,
    NEEDED,
    OWN,
    OWN_BYTES,
    OWN_CELLS,
    PARENT,
    PATH_LENGTH,
    TOTAL,
    WINDOW_AT,
    WINDOW_END,
    roll_up,
)
from lurge.kernels.tree import HEADER, OPEN_CELLS
from lurge.kernels.wide import VECTOR

LEVELS = int(LONGEST_LINE) + 4
ROOM_DIRECTORIES, ROOM_NAMES, ROOM_CELLS = 1 << 13, 1 << 21, 1 << 14
FIRST_TABLE = 16 * OPEN_CELLS
OUTPUTS = (DIRECTORIES, NAMES, CELL_BYTES, CELLS, OWN, OWN_BYTES, OWN_CELLS)
"""The numbers of the state that tell how much of each output is used."""

ALL_WINDOWS, LARGEST_WINDOW, LEAST_WINDOW = 1 << 26, 1 << 16, 1 << 12

Numbers = npt.NDArray[np.int64]
Text = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cells:
    """Cells as `kernels.cells` writes them. text: uint8, with VECTOR bytes behind it; lengths: int32, of each."""

    text: Text
    lengths: npt.NDArray[np.int32]


@dataclass(frozen=True)
class RolledUp:
    """Some finished directories, as views of arrays that are used again.

    directories: int64[n, TOTAL + MEASURES], names: uint8, cells: inclusive. own: int64[k, PARENT], of directories that
    hold others, and own_cells. is_last: the last of the directories is the top.
    """

    directories: Numbers
    names: Text
    cells: Cells
    own: Numbers
    own_cells: Cells
    is_last: bool


@dataclass(frozen=True)
class RunPlace:
    """A run in a file: its place there, and its first and last path, translated."""

    start: int
    end: int
    first: bytes
    last: bytes


class ReadInto(Protocol):
    """Reads a file from an offset into a part of memory; returns the number of bytes, at least 1."""

    def __call__(self, offset: int, memory: memoryview) -> int: ...


class Windows:
    """A part of each run in memory. text: uint8; places: int64[runs, 3], as the kernel wants them."""

    def __init__(self, runs: Sequence[RunPlace], read_into: ReadInto) -> None:
        self._read_into = read_into
        self._offsets = [run.start for run in runs]
        self._ends = [run.end for run in runs]
        self._size = max(LEAST_WINDOW, min(LARGEST_WINDOW, ALL_WINDOWS // max(1, len(runs))))
        self.text: Text = np.zeros(len(runs) * self._size + HEADER, np.uint8)
        self.places = np.zeros((len(runs), 3), np.int64)
        for number in range(len(runs)):
            self.places[number, WINDOW_AT] = self.places[number, WINDOW_END] = number * self._size
            self.refill(number)

    def refill(self, number: int) -> None:
        """Read more of a run, until its next fragment is whole in its window."""
        while True:
            at, end, _ = self.places[number].tolist()
            start = number * self._size
            self.text[start : start + end - at] = self.text[at:end].copy()
            end, at = start + end - at, start
            while end < start + self._size and self._offsets[number] < self._ends[number]:
                room = min(start + self._size - end, self._ends[number] - self._offsets[number])
                count = self._read_into(self._offsets[number], self.text[end : end + room].data)
                self._offsets[number] += count
                end += count
            self.places[number] = at, end, self._offsets[number] < self._ends[number]
            needed = int(self.text[at : at + 4].view(np.uint32)[0]) if end > at else 0
            if needed <= end - at:
                return
            self._widen(needed)

    def _widen(self, needed: int) -> None:
        """Make every window large enough for a fragment of some bytes."""
        size = 2 * max(needed, self._size)
        text = np.zeros(len(self.places) * size + HEADER, np.uint8)
        for number, (at, end, _) in enumerate(self.places.tolist()):
            start = number * size
            text[start : start + end - at] = self.text[at:end]
            self.places[number, WINDOW_AT], self.places[number, WINDOW_END] = start, start + end - at
        self.text, self._size = text, size


class CellTable:
    """The cells of all open directories: slots, table, links, order and other, as the kernel wants them."""

    def __init__(self) -> None:
        self.arrays = new_table(FIRST_TABLE)

    def grow(self, stack: Numbers, depth: int) -> None:
        """Make room for twice as many."""
        _, table, links, _, _ = self.arrays
        self.arrays = new_table(2 * len(table))
        slots, larger, more_links, _, _ = self.arrays
        # The last row is scratch.
        larger[: len(table) - 1], more_links[: len(table)] = table[:-1], links
        fill_slots(slots, larger, more_links, stack, depth)


def new_table(cells: int) -> tuple[Any, ...]:
    """An empty table of cells."""
    return (
        np.full(4 * cells, -1, np.int32),
        np.zeros((cells, CELL_COLUMNS), np.int64),
        np.zeros((cells, 2), np.int64),
        np.zeros(cells, np.int64),
        np.zeros(cells, np.int64),
    )


def roll_up_runs(runs: Sequence[RunPlace], read_into: ReadInto, mount: bytes, types: int) -> Iterator[RolledUp]:
    """Roll up several runs; the top is `mount`, or the directory that holds it and all.

    mount: translated. types: number of filetypes with suffixes. Sums of bytes are capped at LARGEST. Raises what
    read_into raises.
    """
    top = common_directory([mount, *(path for run in runs for path in (run.first, run.last))])
    windows, cells = Windows(runs, read_into), CellTable()
    heap = np.array(sorted(range(len(runs)), key=lambda run: runs[run].first), np.int64)
    state = np.zeros(13, np.int64)
    state[DEPTH], state[HEAP], state[NEEDED] = 1, len(runs), -1
    stack, closed = np.zeros((LEVELS, 5), np.int64), np.zeros(LEVELS + 1, np.int64)
    stack[0, PATH_LENGTH], stack[0, CELLS_HEAD] = len(top), -1
    open_path = np.zeros(int(LONGEST_LINE) + 1, np.uint8)
    open_path[: len(top)] = np.frombuffer(top, np.uint8)
    outputs = new_outputs(ROOM_CELLS, ROOM_CELLS)
    reason = -1
    while reason != DONE:
        reason = roll_up(
            types, windows.text, windows.places, heap, open_path, stack, closed, *cells.arrays, state,
            *outputs,
        )  # fmt: skip
        if reason == MORE_TEXT:
            windows.refill(int(state[NEEDED]))
            continue
        if reason == MORE_CELLS:
            cells.grow(stack, int(state[DEPTH]))
            continue
        rows, names, *cells_below, own, own_text, own_lengths = (
            array[: state[number]] for array, number in zip(outputs, OUTPUTS, strict=True)
        )
        yield RolledUp(rows, names, Cells(*cells_below), own, Cells(own_text, own_lengths), is_last=reason == DONE)
        if reason in (MORE_ROOM, MORE_OWN):
            room, own_room = len(outputs[3]), len(outputs[6])
            outputs = new_outputs(room << (reason == MORE_ROOM), own_room << (reason == MORE_OWN))
        state[list(OUTPUTS)] = 0


def new_outputs(cells: int, own_cells: int) -> tuple[Any, ...]:
    """Room for the outputs of `roll_up`, in the order of OUTPUTS."""
    return (
        np.zeros((ROOM_DIRECTORIES, TOTAL + MEASURES), np.int64),
        np.zeros(ROOM_NAMES, np.uint8),
        np.zeros(cells * LONGEST_CELL + VECTOR, np.uint8),
        np.zeros(cells, np.int32),
        np.zeros((ROOM_DIRECTORIES, PARENT), np.int64),
        np.zeros(own_cells * LONGEST_CELL + VECTOR, np.uint8),
        np.zeros(own_cells, np.int32),
    )


def common_directory(paths: Sequence[bytes]) -> bytes:
    """The deepest directory that is, or is above, every one of some translated paths."""
    first, last = min(paths).split(b"\0"), max(paths).split(b"\0")
    shared = next((i for i, (left, right) in enumerate(zip(first, last, strict=False)) if left != right), None)
    return b"\0".join(first[:shared])
