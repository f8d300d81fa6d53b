"""The kernel that rolls up sorted runs of directories: each directory with everything below it, from the leaves up.

Directories that are open form a stack. All their cells lie in one table, whose keys begin with the level. When a
directory is closed, its cells are exported and become its parent's, or are added to those that the parent has.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.cells import (
    BYTES,
    FIRST_A,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    LONGEST_CELL,
    RECORDS,
    TYPE_MASK,
    add_cell,
    capped_sum,
    read_cell,
    read_key,
    write_cell,
)
from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.open_cells import (
    CELL_NUMBER,
    CELLS_HEAD,
    ENTRIES,
    FREE_CELLS,
    NEXT,
    find_cell,
    free_cell,
    link_cell,
    new_cell,
    remove_cell,
    sort_cells,
)
from lurge.kernels.tree import DIRECTORY_TYPE, HEADER, OPEN_CELLS, OTHER, VAULT, is_before

DONE, FULL, MORE_CELLS, MORE_ROOM, MORE_OWN, MORE_TEXT = range(6)
"""Reasons for a return of `roll_up`: all is done; the output must be taken; the table is too small; the output of
cells, or that of own cells, is too small for one directory; a window needs more of its run."""

PATH_LENGTH, FIRST_CHILD, OWN_DONE = range(2, 5)
"""The other columns of the stack: the length of the path, the number of the first child, and whether the own cells are
exported."""

DEPTH, HEAP, NEEDED, DIRECTORIES, NAMES, CELLS, CELL_BYTES, OWN, OWN_CELLS, OWN_BYTES = range(3, 13)
"""The other numbers of the state: open directories; runs in the heap; the run whose window needs more, -1 for none; how
much of each output is used."""

WINDOW_AT, WINDOW_END, HAS_MORE = range(3)
"""Columns of windows: the place of the current fragment, the end of what was read, and whether the run has more."""

FIRST_BYTE, FIRST_CELL, CELL_COUNT, DEPTH_OF, NUMBER, PARENT, NAME_START, NAME_LENGTH = range(8)
CHILD, CHILDREN, TOTAL = range(8, 11)
"""Columns of the output of directories: where their cells begin, their number, the depth, the number among those of
the depth; from TOTAL on the measures: records, files, directories, bytes, oldest and newest mtime, oldest and newest
atime. The output of own cells has the first columns, until PARENT."""

MEASURES = 8
NONE = np.int64(-1)


@internal_kernel
def add_fragment(windows, at, end, state, slots, table, links, stack, level):
    """Add the cells windows[at:end] to those of the directory at a level. The table's last row is scratch."""
    scratch = table[len(table) - 1]
    while at < end:
        mask, gid, key, at = read_key(windows, at)
        entry = find_cell(slots, table, links, level, gid, key)
        if entry >= 0:
            at = read_cell(windows, at, mask, scratch)
            add_cell(table[entry], scratch)
        else:
            new = new_cell(state, links)
            slots[-1 - entry] = new
            table[new, GID], table[new, KEY] = gid, key
            at = read_cell(windows, at, mask, table[new])
            link_cell(links, stack[level], new, level)


@internal_kernel
def hand_up(state, slots, table, links, stack, level):
    """Move or add the cells of the directory at a level, which is closed, to those of its parent."""
    entry = stack[level, CELLS_HEAD]
    while entry >= 0:
        after = links[entry, NEXT]
        remove_cell(slots, table, links, entry)
        above = find_cell(slots, table, links, level - 1, table[entry, GID], table[entry, KEY])
        if above >= 0:
            add_cell(table[above], table[entry])
            free_cell(state, links, entry)
        else:
            slots[-1 - above] = entry
            link_cell(links, stack[level - 1], entry, level - 1)
        entry = after


@internal_kernel
def write_cells(text, at, lengths, first, table, order, count):
    """Write cells in an order, and the length of each; returns the place behind them."""
    for i in range(count):
        after = write_cell(text, at, table[order[i]])
        lengths[first + i] = after - at
        at = after
    return at


@inline_kernel
def is_file(filetype, types):
    """True for the filetypes of regular files."""
    return filetype <= types + OTHER or filetype == types + VAULT


@internal_kernel
def add_up(table, order, count, types, row):
    """Add up cells in row[TOTAL:]."""
    for i in range(count):
        cell = table[order[i]]
        filetype = cell[KEY] & TYPE_MASK
        row[TOTAL] += cell[RECORDS]
        if is_file(filetype, types):
            row[TOTAL + 1] += cell[RECORDS]
        elif filetype == types + DIRECTORY_TYPE:
            row[TOTAL + 2] += cell[RECORDS]
        row[TOTAL + 3] = capped_sum(row[TOTAL + 3], cell[BYTES])
        row[TOTAL + 4] = cell[FIRST_M] if i == 0 else min(row[TOTAL + 4], cell[FIRST_M])
        row[TOTAL + 5] = cell[LAST_M] if i == 0 else max(row[TOTAL + 5], cell[LAST_M])
        row[TOTAL + 6] = cell[FIRST_A] if i == 0 else min(row[TOTAL + 6], cell[FIRST_A])
        row[TOTAL + 7] = cell[LAST_A] if i == 0 else max(row[TOTAL + 7], cell[LAST_A])


@inline_kernel
def number_at(windows, at):
    """The number in 4 bytes."""
    return (
        np.int64(windows[at])
        | np.int64(windows[at + 1]) << 8
        | np.int64(windows[at + 2]) << 16
        | np.int64(windows[at + 3]) << 24
    )


@internal_kernel
def goes_before(windows, places, left, right):
    """True if the current fragment of one run is before that of another."""
    first, second = places[left, WINDOW_AT], places[right, WINDOW_AT]
    return is_before(
        windows, first + HEADER, number_at(windows, first + 4), windows, second + HEADER, number_at(windows, second + 4)
    )


@internal_kernel
def sift(windows, places, heap, count):
    """Restore the order of a heap of runs whose first may be out of place."""
    at = ZERO
    while True:
        child = 2 * at + 1
        if child >= count:
            return
        if child + 1 < count and goes_before(windows, places, heap[child + 1], heap[child]):
            child += 1
        if not goes_before(windows, places, heap[child], heap[at]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


@inline_kernel
def is_ready(windows, place):
    """True if the current fragment of a run is in its window."""
    left = place[WINDOW_END] - place[WINDOW_AT]
    return left >= HEADER and left >= number_at(windows, place[WINDOW_AT])


@internal_kernel
def is_within(windows, start, length, path, path_length):
    """True if the directory windows[start:start + length] is path[:path_length] or below it."""
    if length < path_length or (length > path_length and windows[start + path_length] != 0):
        return False
    i = ZERO
    while i < path_length and windows[start + i] == path[i]:
        i += 1
    return i == path_length


@compiled
def roll_up(types, windows, places, heap, path, stack, closed, slots, table, links, order, other, state,
            out_directories, out_names, out_text, out_lengths, out_own, own_text, own_lengths):  # fmt: skip
    """Go on with rolling up until something is needed; returns the reason, DONE at the end.

    windows: uint8, a part of each run. places: int64[runs, 3], of each run in `windows`. heap: int64[runs], the runs
    that have fragments. path: uint8, the deepest open directory's. stack: int64[levels, 5]. closed: int64[levels + 1],
    by depth the number of directories that are closed. The table of cells: slots: int32, a power of two, at least
    2 * n; table: int64[n, CELL_COLUMNS]; links: int64[n, 2]; order, other: int64[n]. state: int64[13]. Outputs:
    directories: int64[m, TOTAL + MEASURES]; names: uint8, their paths; text: uint8, their cells, inclusive, as
    `write_cell` writes them; lengths: int32, of each cell; own: int64[m, PARENT], for the own cells of each directory
    that has others in it; own_text; own_lengths.
    """
    while True:
        if state[NEEDED] >= 0:
            run = state[NEEDED]
            if places[run, WINDOW_AT] == places[run, WINDOW_END] and not places[run, HAS_MORE]:
                state[HEAP] -= 1
                heap[0] = heap[state[HEAP]]
            elif not is_ready(windows, places[run]):
                return MORE_TEXT
            sift(windows, places, heap, state[HEAP])
            state[NEEDED] = -1
        depth = state[DEPTH] - 1
        top = stack[depth]
        start = length = ZERO
        below = state[HEAP] > 0
        if below:
            at = places[heap[0], WINDOW_AT]
            start, length = at + HEADER, number_at(windows, at + 4)
            below = is_within(windows, start, length, path, top[PATH_LENGTH])
        if not below:
            count = top[CELL_NUMBER]
            if state[DIRECTORIES] >= len(out_directories) or state[NAMES] + top[PATH_LENGTH] > len(out_names):
                return FULL
            at = state[CELL_BYTES]
            if state[CELLS] + count > len(out_lengths) or at + count * LONGEST_CELL > len(out_text):
                return FULL if state[CELLS] else MORE_ROOM
            sort_cells(table, links, top, order, other)
            state[CELL_BYTES] = write_cells(out_text, at, out_lengths, state[CELLS], table, order, count)
            out = out_directories[state[DIRECTORIES]]
            for i in range(len(out)):
                out[i] = 0
            add_up(table, order, count, types, out)
            out[DEPTH_OF], out[NUMBER], out[PARENT] = depth, closed[depth], closed[depth - 1] if depth else -1
            out[NAME_START], out[NAME_LENGTH] = state[NAMES], top[PATH_LENGTH]
            out[CHILD], out[CHILDREN] = top[FIRST_CHILD], closed[depth + 1] - top[FIRST_CHILD]
            out[FIRST_BYTE], out[FIRST_CELL], out[CELL_COUNT] = at, state[CELLS], count
            for i in range(top[PATH_LENGTH]):
                out_names[state[NAMES] + i] = path[i]
            state[DIRECTORIES] += 1
            state[NAMES] += top[PATH_LENGTH]
            state[CELLS] += count
            closed[depth] += 1
            state[DEPTH] -= 1
            if depth == 0:
                return DONE
            hand_up(state, slots, table, links, stack, depth)
            continue
        if length > top[PATH_LENGTH]:
            if not top[OWN_DONE]:
                count = top[CELL_NUMBER]
                if state[OWN] >= len(out_own):
                    return FULL
                at = state[OWN_BYTES]
                if state[OWN_CELLS] + count > len(own_lengths) or at + count * LONGEST_CELL > len(own_text):
                    return FULL if state[OWN_CELLS] else MORE_OWN
                sort_cells(table, links, top, order, other)
                state[OWN_BYTES] = write_cells(own_text, at, own_lengths, state[OWN_CELLS], table, order, count)
                out = out_own[state[OWN]]
                out[FIRST_BYTE], out[FIRST_CELL], out[CELL_COUNT] = at, state[OWN_CELLS], count
                out[DEPTH_OF], out[NUMBER] = depth, closed[depth]
                state[OWN] += 1
                state[OWN_CELLS] += count
                top[OWN_DONE] = 1
            i = top[PATH_LENGTH] + 1
            while i < length and windows[start + i] != 0:
                i += 1
            for j in range(top[PATH_LENGTH], i):
                path[j] = windows[start + j]
            child = stack[depth + 1]
            child[PATH_LENGTH], child[CELLS_HEAD], child[CELL_NUMBER], child[OWN_DONE] = i, NONE, 0, 0
            child[FIRST_CHILD] = closed[depth + 2]
            state[DEPTH] += 1
            continue
        if len(table) - ONE - state[ENTRIES] + state[FREE_CELLS] < OPEN_CELLS:
            return MORE_CELLS
        run = heap[0]
        at = places[run, WINDOW_AT]
        end = at + number_at(windows, at)
        add_fragment(windows, at + HEADER + length, end, state, slots, table, links, stack, depth)
        places[run, WINDOW_AT] = end
        state[NEEDED] = run
