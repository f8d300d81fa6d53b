"""The kernel that rolls up sorted runs of directories: each directory with everything below it, from the leaves up.

Directories that are open form a stack. All their cells lie in one table, whose keys begin with the level. When a
directory is closed, its cells are exported and become its parent's, or are added to those that the parent has.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.cells import (
    BYTES,
    CELL_COLUMNS,
    FIRST_A,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    RECORDS,
    TYPE_MASK,
    add_cell,
    capped_sum,
    read_cell,
    read_key,
)
from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.tree import DIRECTORY_TYPE, FACTOR, HEADER, OPEN_CELLS, OTHER, VAULT, is_before
from lurge.kernels.wide import folded_product

DONE, FULL, MORE_CELLS, MORE_ROOM, MORE_OWN, MORE_TEXT = range(6)
"""Reasons for a return of `roll_up`: all is done; the output must be taken; the table is too small; the output of
cells, or that of own cells, is too small for one directory; a window needs more of its run."""

PATH_LENGTH, CELLS_HEAD, CELL_NUMBER, FIRST_CHILD, OWN_DONE = range(5)
"""Columns of the stack: the length of the path, the first of the linked cells and their number, the number of the first
child, and whether the own cells are exported."""

DEPTH, HEAP, DIRECTORIES, NAMES, CELLS, OWN, OWN_CELLS, ENTRIES, FREE, FREE_CELLS, NEEDED = range(11)
"""The state: open directories; runs in the heap; how much of each output is used; entries of the table that were ever
used, the first of those that are free again, and their number; the run whose window needs more, -1 for none."""

WINDOW_AT, WINDOW_END, HAS_MORE = range(3)
"""Columns of windows: the place of the current fragment, the end of what was read, and whether the run has more."""

NEXT, LEVEL = range(2)
"""Columns of links: the next cell of the same directory, or the next free one; and the level of the directory."""

PARENT, NAME_START, NAME_LENGTH, CHILD, CHILDREN, FIRST_CELL, CELL_COUNT, TOTAL = range(1, 9)
"""Columns of the output of directories, of which the first is the depth; from TOTAL on the measures: records, files,
directories, bytes, oldest and newest mtime, oldest and newest atime."""

MEASURES = 8
NONE = np.int64(-1)


@inline_kernel
def home_of(slots, level, gid, key):
    """The slot in which the search for a cell begins."""
    value = folded_product(np.uint64(gid) + FACTOR, np.uint64(key) ^ FACTOR)
    return np.int64(folded_product(value ^ np.uint64(level), FACTOR) & np.uint64(len(slots) - 1))


@internal_kernel
def find_cell(slots, table, links, level, gid, key):
    """The entry of a cell; if there is none, -1 minus the slot where it belongs."""
    slot = home_of(slots, level, gid, key)
    while slots[slot] >= 0:
        entry = slots[slot]
        if table[entry, KEY] == key and table[entry, GID] == gid and links[entry, LEVEL] == level:
            return np.int64(entry)
        slot = (slot + 1) & np.int64(len(slots) - 1)
    return -1 - slot


@internal_kernel
def remove_cell(slots, table, links, entry):
    """Take an entry out of the slots, and move those behind it that were pushed away."""
    mask = np.int64(len(slots) - 1)
    hole = home_of(slots, links[entry, LEVEL], table[entry, GID], table[entry, KEY])
    while slots[hole] != entry:
        hole = (hole + 1) & mask
    at = hole
    while True:
        at = (at + 1) & mask
        other = slots[at]
        if other < 0:
            break
        home = home_of(slots, links[other, LEVEL], table[other, GID], table[other, KEY])
        if (at - home) & mask >= (at - hole) & mask:
            slots[hole] = other
            hole = at
    slots[hole] = -1


@compiled
def fill_slots(slots, table, links, stack, depth):
    """Enter all cells of the open directories into empty slots."""
    mask = np.int64(len(slots) - 1)
    for level in range(depth):
        entry = stack[level, CELLS_HEAD]
        while entry >= 0:
            slot = home_of(slots, level, table[entry, GID], table[entry, KEY])
            while slots[slot] >= 0:
                slot = (slot + 1) & mask
            slots[slot] = entry
            entry = links[entry, NEXT]


@inline_kernel
def link_cell(links, top, entry, level):
    """Make an entry a cell of the directory at a level of the stack."""
    links[entry, NEXT], links[entry, LEVEL] = top[CELLS_HEAD], level
    top[CELLS_HEAD] = entry
    top[CELL_NUMBER] += 1


@inline_kernel
def free_cell(state, links, entry):
    """Let an entry be used again."""
    links[entry, NEXT] = state[FREE]
    state[FREE] = entry
    state[FREE_CELLS] += 1


@inline_kernel
def new_cell(state, links):
    """An entry that is not used; there must be one."""
    if state[FREE_CELLS]:
        entry = state[FREE]
        state[FREE] = links[entry, NEXT]
        state[FREE_CELLS] -= 1
        return entry
    state[ENTRIES] += 1
    return state[ENTRIES] - 1


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


@inline_kernel
def key_before(table, left, right):
    """True if the key of one cell is before that of another."""
    if table[left, GID] != table[right, GID]:
        return table[left, GID] < table[right, GID]
    return np.uint64(table[left, KEY]) < np.uint64(table[right, KEY])


@internal_kernel
def sort_cells(table, links, top, order, other):
    """Fill order[:n] with the n cells of a directory in the order of their keys."""
    count, entry = top[CELL_NUMBER], top[CELLS_HEAD]
    for i in range(count):
        order[count - 1 - i] = entry
        entry = links[entry, NEXT]
    width = 16
    for first in range(0, count, width):
        for i in range(first + 1, min(first + width, count)):
            cell, j = order[i], i
            while j > first and key_before(table, cell, order[j - 1]):
                order[j] = order[j - 1]
                j -= 1
            order[j] = cell
    while width < count:
        first = 0
        while first < count:
            middle, after = min(first + width, count), min(first + 2 * width, count)
            left, right = first, middle
            for at in range(first, after):
                if left >= middle or (right < after and key_before(table, order[right], order[left])):
                    other[at] = order[right]
                    right += 1
                else:
                    other[at] = order[left]
                    left += 1
            first = after
        for i in range(count):
            order[i] = other[i]
        width *= 2


@inline_kernel
def copy_cells(target, to, table, order, count):
    """Copy cells in an order."""
    for i in range(count):
        for column in range(CELL_COLUMNS):
            target[to + i, column] = table[order[i], column]


@inline_kernel
def is_file(filetype, types):
    """True for the filetypes of regular files."""
    return filetype <= types + OTHER or filetype == types + VAULT


@internal_kernel
def add_up(cells, start, end, types, row):
    """Add up cells in row[TOTAL:]."""
    for i in range(start, end):
        cell, filetype = cells[i], cells[i, KEY] & TYPE_MASK
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
            out_directories, out_names, out_cells, out_own, out_own_cells):  # fmt: skip
    """Go on with rolling up until something is needed; returns the reason, DONE at the end.

    windows: uint8, a part of each run. places: int64[runs, 3], of each run in `windows`. heap: int64[runs], the runs
    that have fragments. path: uint8, the deepest open directory's. stack: int64[levels, 5]. closed: int64[levels + 1],
    by depth the number of directories that are closed. The table of cells: slots: int32, a power of two, at least
    2 * n; table: int64[n, CELL_COLUMNS]; links: int64[n, 2]; order, other: int64[n]. state: int64[11]. Outputs:
    directories: int64[m, TOTAL + MEASURES]; names: uint8, their paths; cells: int64[m, CELL_COLUMNS], inclusive; own:
    int64[m, 3], depth, number and cells of each directory that has others in it; own_cells.
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
            if state[CELLS] + count > len(out_cells):
                return FULL if state[CELLS] else MORE_ROOM
            sort_cells(table, links, top, order, other)
            copy_cells(out_cells, state[CELLS], table, order, count)
            out = out_directories[state[DIRECTORIES]]
            for i in range(len(out)):
                out[i] = 0
            add_up(out_cells, state[CELLS], state[CELLS] + count, types, out)
            out[0], out[PARENT] = depth, closed[depth - 1] if depth else -1
            out[NAME_START], out[NAME_LENGTH] = state[NAMES], top[PATH_LENGTH]
            out[CHILD], out[CHILDREN] = top[FIRST_CHILD], closed[depth + 1] - top[FIRST_CHILD]
            out[FIRST_CELL], out[CELL_COUNT] = state[CELLS], count
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
                if state[OWN_CELLS] + count > len(out_own_cells):
                    return FULL if state[OWN_CELLS] else MORE_OWN
                sort_cells(table, links, top, order, other)
                copy_cells(out_own_cells, state[OWN_CELLS], table, order, count)
                out_own[state[OWN], 0], out_own[state[OWN], 1] = depth, closed[depth]
                out_own[state[OWN], 2] = count
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


@compiled
def append_cells(columns, used, ranges, progress, cells):
    """Append the cells of some directories to columns until these are full or all is done; returns the used length.

    columns: int64[1 + CELL_COLUMNS, n], the id of the directory first. ranges: int64[m, 3], first cell, number of cells
    and id of each. progress: int64[2], the next of them, and the next of its cells.
    """
    while progress[0] < len(ranges):
        first, count, identity = ranges[progress[0]]
        for i in range(progress[1], count):
            if used == columns.shape[1]:
                progress[1] = i
                return used
            columns[0, used] = identity
            for column in range(CELL_COLUMNS):
                columns[1 + column, used] = cells[first + i, column]
            used += 1
        progress[0] += 1
        progress[1] = 0
    return used
