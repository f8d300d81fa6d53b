"""The kernel that rolls up sorted runs of directories: each directory with everything below it, from the leaves up.

Directories that are open form a stack. Their cells lie in one arena, those of a directory from where it was opened to
the end. When a directory is closed, its cells are combined where they lie, and so are part of its parent's.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.tree import (
    BINS,
    BYTES,
    CELL_COLUMNS,
    DIRECTORY_TYPE,
    FIRST_A,
    FIRST_CELL,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    OTHER,
    RECORDS,
    TEXT,
    TEXT_LENGTH,
    VAULT,
    capped_sum,
    is_before,
)

DONE, FULL, MORE_CELLS, MORE_ROOM, MORE_OWN = range(5)
"""Why `roll_up` returns: all is done; take the output; the arena is too small; or the output of cells, or that of own
cells, is too small for one directory."""

PATH_LENGTH, START, FIRST_CHILD, OWN_DONE, LIMIT = range(5)
"""Columns of the stack: the length of the path, the first cell, the number of the first child, whether the own cells
are exported, and how many cells there may be before they are combined."""

DEPTH, ARENA, HEAP, DIRECTORIES, NAMES, CELLS, OWN, OWN_CELLS = range(8)
"""The state: open directories, cells in the arena, runs in the heap, and how much of each output is used."""

LEAST_LIMIT = 1 << 15

PARENT, NAME_START, NAME_LENGTH, CHILD, CHILDREN, CELL_COUNT, TOTAL = range(1, 8)
"""Columns of the output of directories, of which the first is the depth; from TOTAL on the measures: records, files,
directories, bytes, oldest and newest mtime, oldest and newest atime."""

MEASURES = 8


@inline_kernel
def copy_cells(target, to, source, at, count):
    """Copy `count` cells from one array to another, or within one."""
    for i in range(count):
        for column in range(CELL_COLUMNS):
            target[to + i, column] = source[at + i, column]


@inline_kernel
def key_before(cells, left, right):
    """True if one cell's keys are before another's."""
    if cells[left, GID] != cells[right, GID]:
        return cells[left, GID] < cells[right, GID]
    return np.uint64(cells[left, KEY]) < np.uint64(cells[right, KEY])


@internal_kernel
def sort_cells(cells, start, end, order, other):
    """Fill order[start:end] with the cells in the order of their keys; False if they are in that order already."""
    is_sorted = True
    for i in range(start, end):
        order[i] = i
        is_sorted = is_sorted and (i == start or key_before(cells, i - 1, i))
    if is_sorted:
        return False
    width = 16
    for first in range(start, end, width):
        for i in range(first + 1, min(first + width, end)):
            cell, j = order[i], i
            while j > first and key_before(cells, cell, order[j - 1]):
                order[j] = order[j - 1]
                j -= 1
            order[j] = cell
    while width < end - start:
        first = start
        while first < end:
            middle, after = min(first + width, end), min(first + 2 * width, end)
            left, right = first, middle
            for at in range(first, after):
                if left >= middle or (right < after and key_before(cells, order[right], order[left])):
                    other[at] = order[right]
                    right += 1
                else:
                    other[at] = order[left]
                    left += 1
            first = after
        for i in range(start, end):
            order[i] = other[i]
        width *= 2
    return True


@internal_kernel
def rearrange(arena, start, end, order):
    """Put the cells arena[start:end] into an order, which is used up. The arena's last cell is scratch."""
    scratch = len(arena) - 1
    for i in range(start, end):
        if order[i] == i:
            continue
        copy_cells(arena, scratch, arena, i, ONE)
        at = i
        while order[at] != i:
            source = order[at]
            copy_cells(arena, at, arena, source, ONE)
            order[at] = at
            at = source
        copy_cells(arena, at, arena, scratch, ONE)
        order[at] = at


@internal_kernel
def combine(arena, start, end, order, other):
    """Sort the cells arena[start:end], and add up those of equal keys; returns their new end."""
    if not sort_cells(arena, start, end, order, other):
        return end
    rearrange(arena, start, end, order)
    at = start
    for i in range(start + 1, end):
        cell = arena[i]
        if arena[at, GID] != cell[GID] or arena[at, KEY] != cell[KEY]:
            at += 1
            if at < i:
                copy_cells(arena, at, arena, i, ONE)
            continue
        arena[at, RECORDS] += cell[RECORDS]
        arena[at, BYTES] = capped_sum(arena[at, BYTES], cell[BYTES])
        arena[at, FIRST_M] = min(arena[at, FIRST_M], cell[FIRST_M])
        arena[at, LAST_M] = max(arena[at, LAST_M], cell[LAST_M])
        arena[at, FIRST_A] = min(arena[at, FIRST_A], cell[FIRST_A])
        arena[at, LAST_A] = max(arena[at, LAST_A], cell[LAST_A])
        for column in range(BINS, CELL_COLUMNS):
            arena[at, column] = capped_sum(arena[at, column], cell[column])
    return at + 1


@inline_kernel
def is_file(filetype, types):
    """True for the filetypes of regular files."""
    return filetype <= types + OTHER or filetype == types + VAULT


@internal_kernel
def add_up(arena, start, end, types, row):
    """Add up cells in row[TOTAL:]."""
    for i in range(start, end):
        cell, filetype = arena[i], arena[i, KEY] & np.int64(0xFFFFFFFF)
        row[TOTAL] += cell[RECORDS]
        if is_file(filetype, types):
            row[TOTAL + 1] += cell[RECORDS]
        elif filetype == types + DIRECTORY_TYPE:
            row[TOTAL + 2] += cell[RECORDS]
        row[TOTAL + 3] = capped_sum(row[TOTAL + 3], cell[BYTES])
        row[TOTAL + 4] = cell[FIRST_M] if i == start else min(row[TOTAL + 4], cell[FIRST_M])
        row[TOTAL + 5] = cell[LAST_M] if i == start else max(row[TOTAL + 5], cell[LAST_M])
        row[TOTAL + 6] = cell[FIRST_A] if i == start else min(row[TOTAL + 6], cell[FIRST_A])
        row[TOTAL + 7] = cell[LAST_A] if i == start else max(row[TOTAL + 7], cell[LAST_A])


@internal_kernel
def goes_before(text, directories, position, left, right):
    """True if the current directory of one run is before that of another."""
    first, second = directories[position[left]], directories[position[right]]
    return is_before(text, first[TEXT], first[TEXT_LENGTH], text, second[TEXT], second[TEXT_LENGTH])


@internal_kernel
def sift(text, directories, position, heap, count):
    """Restore the order of a heap of runs whose first may be out of place."""
    at = ZERO
    while True:
        child = 2 * at + 1
        if child >= count:
            return
        if child + 1 < count and goes_before(text, directories, position, heap[child + 1], heap[child]):
            child += 1
        if not goes_before(text, directories, position, heap[child], heap[at]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


@compiled
def roll_up(types, text, directories, cells, position, ends, heap, path, stack, closed, arena, order, other,
            state, out_directories, out_names, out_cells, out_own, out_own_cells):  # fmt: skip
    """Go on with rolling up until something is needed; returns the reason, DONE at the end.

    text, directories, cells: all runs, each as in `export_run`, with places counted from the beginning of all.
    position, ends: int64[runs], the next directory of each run, and the one behind its last. heap: int64[runs].
    path: uint8, the deepest open directory's. stack: int64[levels, 5]. closed: int64[levels + 1], by depth the number
    of directories that are closed. arena: int64[n, CELL_COLUMNS]. order, other: int64[n]. state: int64[8]. Outputs:
    directories: int64[n, TOTAL + MEASURES]; names: uint8, their paths; cells: int64[n, CELL_COLUMNS], inclusive; own:
    int64[n, 3], depth, number and cells of each directory that has others in it; own_cells.
    """
    while True:
        depth = state[DEPTH] - 1
        run = heap[0] if state[HEAP] else ZERO
        row = directories[position[run]] if state[HEAP] else directories[0]
        start, length, top = row[TEXT], row[TEXT_LENGTH], stack[depth]
        below = state[HEAP] > 0 and length >= top[PATH_LENGTH]
        if below:
            below = length == top[PATH_LENGTH] or text[start + top[PATH_LENGTH]] == 0
            i = ZERO
            while below and i < top[PATH_LENGTH]:
                below = text[start + i] == path[i]
                i += 1
        if not below:
            end = combine(arena, top[START], state[ARENA], order, other)
            state[ARENA] = end
            count = end - top[START]
            if state[DIRECTORIES] >= len(out_directories) or state[NAMES] + top[PATH_LENGTH] > len(out_names):
                return FULL
            if state[CELLS] + count > len(out_cells):
                return FULL if state[CELLS] else MORE_ROOM
            out = out_directories[state[DIRECTORIES]]
            for i in range(len(out)):
                out[i] = 0
            add_up(arena, top[START], end, types, out)
            out[0], out[PARENT] = depth, closed[depth - 1] if depth else -1
            out[NAME_START], out[NAME_LENGTH] = state[NAMES], top[PATH_LENGTH]
            out[CHILD], out[CHILDREN] = top[FIRST_CHILD], closed[depth + 1] - top[FIRST_CHILD]
            out[CELL_COUNT] = count
            for i in range(top[PATH_LENGTH]):
                out_names[state[NAMES] + i] = path[i]
            copy_cells(out_cells, state[CELLS], arena, top[START], count)
            state[DIRECTORIES] += 1
            state[NAMES] += top[PATH_LENGTH]
            state[CELLS] += count
            closed[depth] += 1
            state[DEPTH] -= 1
            if depth == 0:
                return DONE
            parent = stack[depth - 1]
            if end - parent[START] > parent[LIMIT]:
                end = combine(arena, parent[START], end, order, other)
                state[ARENA] = end
                parent[LIMIT] = max(LEAST_LIMIT, 2 * (end - parent[START]))
            continue
        if length > top[PATH_LENGTH]:
            if not top[OWN_DONE]:
                end = combine(arena, top[START], state[ARENA], order, other)
                state[ARENA] = end
                count = end - top[START]
                if state[OWN] >= len(out_own):
                    return FULL
                if state[OWN_CELLS] + count > len(out_own_cells):
                    return FULL if state[OWN_CELLS] else MORE_OWN
                out_own[state[OWN], 0], out_own[state[OWN], 1] = depth, closed[depth]
                out_own[state[OWN], 2] = count
                copy_cells(out_own_cells, state[OWN_CELLS], arena, top[START], count)
                state[OWN] += 1
                state[OWN_CELLS] += count
                top[OWN_DONE] = 1
            i = top[PATH_LENGTH] + 1
            while i < length and text[start + i] != 0:
                i += 1
            for j in range(top[PATH_LENGTH], i):
                path[j] = text[start + j]
            child = stack[depth + 1]
            child[PATH_LENGTH], child[START], child[OWN_DONE], child[LIMIT] = i, state[ARENA], 0, LEAST_LIMIT
            child[FIRST_CHILD] = closed[depth + 2]
            state[DEPTH] += 1
            continue
        first = row[FIRST_CELL]
        after = directories[position[run] + 1, FIRST_CELL]
        if state[ARENA] + after - first >= len(arena):
            return MORE_CELLS
        copy_cells(arena, state[ARENA], cells, first, after - first)
        state[ARENA] += after - first
        position[run] += 1
        if position[run] >= ends[run]:
            state[HEAP] -= 1
            heap[0] = heap[state[HEAP]]
        sift(text, directories, position, heap, state[HEAP])
