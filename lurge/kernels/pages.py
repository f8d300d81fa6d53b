"""The kernels that turn rolled up directories into values of Parquet's pages.

Rows of usage wait as cells (kernels.cells), which take an eighth of the room of their 55 numbers. When a row group is
full, its numbers are written as the encoding BYTE_STREAM_SPLIT wants them: the first bytes of all values of a column,
then the second ones, and so on. The bytes at one place of all values are a *plane*; the rows that are read at once are
a *tile*.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.cells import (
    BINS,
    BYTES,
    CELL_COLUMNS,
    FIRST_A,
    FIRST_M,
    GID,
    LAST_A,
    LAST_M,
    LONGEST_CELL,
    RECORDS,
    TYPE_MASK,
    UID_SHIFT,
    read_cell,
    read_key,
)
from lurge.kernels.compiling import ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.rollup import CELL_COUNT, FIRST_BYTE, FIRST_CELL, is_file
from lurge.kernels.tree import DIRECTORY_TYPE, SLASH, is_before, original
from lurge.kernels.wide import VECTOR, copy_vector, store_bytes

USAGE_COLUMNS = CELL_COLUMNS + 4
ID, UID, FILES, DIRECTORIES = range(CELL_COLUMNS, USAGE_COLUMNS)
"""Columns of usage that cells do not have, behind those that they have."""

USAGE_NUMBERS = np.array(
    [ID, GID, UID, RECORDS, FILES, DIRECTORIES, BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A, *range(BINS, CELL_COLUMNS)],
    np.int64,
)
"""The columns of usage that are numbers, in the order of the file."""

TILE = VECTOR
"""Rows that are split together: they fit into the nearest cache of a processor, and fill a line of it."""

VALUE_BYTES = 8
ROWS_USED, BYTES_USED, NEXT_RANGE, NEXT_CELL, NEXT_BYTE = range(5)


@compiled
def append_cells(text, ids, state, ranges, cells, lengths, range_ids):
    """Append cells of some directories until all is done, all rows are used, or the text is full.

    text: uint8, and ids: int64[rows], of the rows that wait. state: int64[5]. ranges: int64[n, >= 3], where the cells
    of each directory begin, and their number. cells: uint8, and lengths: int32, of all cells. range_ids: int64[n], ids
    of the directories. There are VECTOR bytes behind the used part of `cells`. `text` is full when fewer than
    LONGEST_CELL + VECTOR bytes are left.
    """
    while state[NEXT_RANGE] < len(ranges):
        this = ranges[state[NEXT_RANGE]]
        first, after = this[FIRST_CELL] + state[NEXT_CELL], this[FIRST_CELL] + this[CELL_COUNT]
        at, to, row = this[FIRST_BYTE] + state[NEXT_BYTE], state[BYTES_USED], state[ROWS_USED]
        cell, length = first, ZERO
        while cell < after and row < len(ids) and to + length + LONGEST_CELL <= len(text) - VECTOR:
            length += lengths[cell]
            ids[row] = range_ids[state[NEXT_RANGE]]
            cell += 1
            row += 1
        for done in range(0, length, VECTOR):
            copy_vector(text, to + done, cells, at + done)
        state[ROWS_USED], state[BYTES_USED] = row, to + length
        if cell < after:
            state[NEXT_CELL] += cell - first
            state[NEXT_BYTE] += length
            return
        state[NEXT_RANGE] += 1
        state[NEXT_CELL] = state[NEXT_BYTE] = 0


@inline_kernel
def read_row(row, text, at, identity, types):
    """Read a cell as a row of usage; returns the filetype, and the place behind the cell."""
    mask, gid, key, at = read_key(text, at)
    at = read_cell(text, at, mask, row)
    filetype = key & TYPE_MASK
    row[ID], row[GID], row[UID] = identity, gid, key >> UID_SHIFT & TYPE_MASK
    row[FILES] = row[RECORDS] if is_file(filetype, types) else 0
    row[DIRECTORIES] = row[RECORDS] if filetype == types + DIRECTORY_TYPE else 0
    return filetype, at


@internal_kernel
def split_tile(planes, tile, words, first, rows, count):
    """Write the bytes of all numbers of a tile to their planes, but not those that are 0 in all of its rows."""
    for number in range(len(USAGE_NUMBERS)):
        column = USAGE_NUMBERS[number]
        bits = np.uint64(0)
        for i in range(rows):
            words[i] = tile[i, column]
            bits |= np.uint64(words[i])
        to = number * VALUE_BYTES * count + first
        shift = np.uint64(0)
        while bits >> shift:
            if rows == TILE:
                store_bytes(planes, to, words, shift)
            else:
                for i in range(rows):
                    planes[to + i] = np.uint8(np.uint64(words[i]) >> shift & np.uint64(255))
            shift += np.uint64(8)
            to += count
            if shift == np.uint64(64):
                break


@compiled
def split_rows(planes, filetypes, tile, words, text, ids, types):
    """Split the rows of usage that wait.

    planes: uint8[numbers * 8 * rows], zeros. filetypes: uint32[rows]. tile: int64[TILE, USAGE_COLUMNS], and words:
    int64[TILE], scratch. text: uint8, cells; ids: int64[rows]. types: number of filetypes with suffixes.
    """
    at = ZERO
    count = len(ids)
    for first in range(0, count, TILE):
        rows = min(TILE, count - first)
        for i in range(rows):
            filetype, at = read_row(tile[i], text, at, ids[first + i], types)
            filetypes[first + i] = filetype
        split_tile(planes, tile, words, first, rows, count)


@compiled
def read_owners(gids, uids, text, at, lengths):
    """Read the gids and uids of cells from a place on. gids, uids: int64[cells]. lengths: int32[cells]."""
    for i in range(len(lengths)):
        _, gids[i], key, _ = read_key(text, at)
        uids[i] = key >> UID_SHIFT & TYPE_MASK
        at += lengths[i]


@compiled
def append_paths(text, at, names, starts, lengths, places):
    """Append paths, each after its length in 4 bytes, as Parquet's plain encoding has them; returns the end.

    text: uint8, with room for them. names: uint8, translated paths. starts, lengths: int64[n]. places: int64[n, 2],
    filled with the start and length of each in `text`.
    """
    for i in range(len(starts)):
        length = max(lengths[i], 1)
        for j in range(4):
            text[at + j] = np.uint8(length >> 8 * j & 255)
        at += 4
        text[at] = SLASH
        for j in range(lengths[i]):
            text[at + j] = original(names[starts[i] + j])
        places[i, 0], places[i, 1] = at, length
        at += length
    return at


@compiled
def extremes(text, places):
    """The numbers of the first and last of some texts in the order of bytes. places: int64[n, 2], start and length."""
    least = greatest = ZERO
    for i in range(len(places)):
        start, length = places[i]
        if is_before(text, start, length, text, places[least, 0], places[least, 1]):
            least = i
        if is_before(text, places[greatest, 0], places[greatest, 1], text, start, length):
            greatest = i
    return least, greatest
