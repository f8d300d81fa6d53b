"""The cells of all open directories in one hash table, whose keys begin with the level of the directory."""

from __future__ import annotations

import numpy as np

from lurge.kernels.cells import GID, KEY
from lurge.kernels.compiling import compiled, inline_kernel, internal_kernel
from lurge.kernels.wide import FACTOR, folded_product

ENTRIES, FREE, FREE_CELLS = range(3)
"""The first numbers of the state: entries of the table that were ever used, the first of those that are free again, and
their number."""

CELLS_HEAD, CELL_NUMBER = range(2)
"""The first columns of the stack of open directories: the first of the linked cells, and their number."""

NEXT, LEVEL = range(2)
"""Columns of links: the next cell of the same directory, or the next free one; and the level of the directory."""


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
