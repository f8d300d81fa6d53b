"""Rolling up runs of directories: all arrays that `kernels.rollup.roll_up` needs, and growing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
    MORE_OWN,
    MORE_ROOM,
    NAMES,
    OWN,
    OWN_CELLS,
    PATH_LENGTH,
    TOTAL,
    roll_up,
)
from lurge.kernels.tree import CELL_COLUMNS, TEXT, TEXT_LENGTH
from lurge.model.tree import Run

LEVELS = int(LONGEST_LINE) + 4
ROOM_DIRECTORIES, ROOM_NAMES, ROOM_CELLS = 1 << 13, 1 << 21, 1 << 14

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RolledUp:
    """Some finished directories, as views of arrays that are used again.

    directories: int64[n, TOTAL + MEASURES], names: uint8, cells: int64[m, CELL_COLUMNS], inclusive. own: int64[k, 3],
    depth, number and cells of directories that hold others, own_cells: int64[l, CELL_COLUMNS]. is_last: the last of
    the directories is the top.
    """

    directories: Numbers
    names: npt.NDArray[np.uint8]
    cells: Numbers
    own: Numbers
    own_cells: Numbers
    is_last: bool


def roll_up_runs(runs: Run, ends: Sequence[int], mount: bytes, types: int) -> Iterator[RolledUp]:
    """Roll up several runs that lie one behind another; the top is `mount`, or the directory that holds it and all.

    runs: with one directory more than there are, for the end of the cells of the last. ends: for each run the number of
    directories up to its end. mount: translated. types: number of filetypes with suffixes. Sums of bytes are capped at
    LARGEST.
    """
    behind = np.array(ends, np.int64)
    position = np.concatenate([[0], behind])[:-1].astype(np.int64)

    def path(number: int) -> bytes:
        start, length = runs.directories[number, TEXT], runs.directories[number, TEXT_LENGTH]
        return runs.text[start : start + length].tobytes()

    outermost = [path(number) for number in (*position.tolist(), *(behind - 1).tolist())]
    top = common_directory([mount, *outermost])
    heap = np.array(sorted(range(len(ends)), key=lambda run: path(int(position[run]))), np.int64)
    state = np.zeros(8, np.int64)
    state[DEPTH], state[HEAP] = 1, len(ends)
    stack, closed = np.zeros((LEVELS, 5), np.int64), np.zeros(LEVELS + 1, np.int64)
    stack[0, PATH_LENGTH], stack[0, LIMIT] = len(top), LEAST_LIMIT
    open_path = np.zeros(int(LONGEST_LINE) + 1, np.uint8)
    open_path[: len(top)] = np.frombuffer(top, np.uint8)
    arena, outputs = new_arena(4 * ROOM_CELLS), new_outputs(ROOM_CELLS, ROOM_CELLS)
    reason = -1
    while reason != DONE:
        reason = roll_up(
            types, runs.text, runs.directories, runs.cells, position, behind, heap, open_path, stack, closed,
            *arena, state, *outputs,
        )  # fmt: skip
        if reason == MORE_CELLS:
            larger = new_arena(2 * len(arena[0]))
            larger[0][: state[ARENA]] = arena[0][: state[ARENA]]
            arena = larger
            continue
        used = (state[DIRECTORIES], state[NAMES], state[CELLS], state[OWN], state[OWN_CELLS])
        rows, names, cells, own, own_cells = (array[:count] for array, count in zip(outputs, used, strict=True))
        yield RolledUp(rows, names, cells, own, own_cells, is_last=reason == DONE)
        if reason in (MORE_ROOM, MORE_OWN):
            room, own_room = len(outputs[2]), len(outputs[4])
            outputs = new_outputs(room << (reason == MORE_ROOM), own_room << (reason == MORE_OWN))
        for number in (DIRECTORIES, NAMES, CELLS, OWN, OWN_CELLS):
            state[number] = 0


def new_arena(cells: int) -> tuple[Any, ...]:
    """The cells of open directories, and what sorting them needs."""
    order, other = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    return np.zeros((cells, CELL_COLUMNS), np.int64), order, other


def new_outputs(cells: int, own_cells: int) -> tuple[Any, ...]:
    """Room for the outputs of `roll_up`."""
    return (
        np.zeros((ROOM_DIRECTORIES, TOTAL + MEASURES), np.int64),
        np.zeros(ROOM_NAMES, np.uint8),
        np.zeros((cells, CELL_COLUMNS), np.int64),
        np.zeros((ROOM_DIRECTORIES, 3), np.int64),
        np.zeros((own_cells, CELL_COLUMNS), np.int64),
    )


def common_directory(paths: Sequence[bytes]) -> bytes:
    """The deepest directory that is, or is above, every one of some translated paths."""
    first, last = min(paths).split(b"\0"), max(paths).split(b"\0")
    shared = next((i for i, (left, right) in enumerate(zip(first, last, strict=False)) if left != right), None)
    return b"\0".join(first[:shared])
