"""The kernels that turn rolled up directories into values of Parquet's pages.

Rows of usage wait as cells (kernels.cells), which take an eighth of the room of their 55 numbers. When a row group is
full, its numbers are written column by column. A column of few different values becomes a dictionary of them and a
*code* of one byte for each row, any other its values. The rows that are read at once are a *tile*.
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
from lurge.kernels.wide import FACTOR, VECTOR, copy_vector

USAGE_COLUMNS = CELL_COLUMNS + 4
ID, UID, FILES, DIRECTORIES = range(CELL_COLUMNS, USAGE_COLUMNS)
"""Columns of usage that cells do not have, behind those that they have."""

USAGE_NUMBERS = np.array(
    [ID, GID, UID, RECORDS, FILES, DIRECTORIES, BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A, *range(BINS, CELL_COLUMNS)],
    np.int64,
)
"""The columns of usage that are numbers, in the order of the file."""

TILE = 64
"""Rows that are read together: they fit into the nearest cache of a processor."""

MOST_CODES, CODE_SLOTS = 256, 512
SLOT_SHIFT = np.uint64(64 - 9)
"""The places of values in a table of CODE_SLOTS slots are the highest bits of their hashes."""

MANY = np.int64(-1)
"""Number of codes of a column with too many values for a dictionary."""

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


@inline_kernel
def code_of(dictionary, slots, count, value, most):
    """Find the code of a value, and add the value if it is new. Returns `most` if there is no room.

    dictionary: int64[MOST_CODES], count: number of its values. slots: uint16[CODE_SLOTS], codes plus one, or 0.
    """
    slot = np.int64(np.uint64(value) * FACTOR >> SLOT_SHIFT)
    while slots[slot]:
        code = np.int64(slots[slot]) - 1
        if dictionary[code] == value:
            return code
        slot = (slot + 1) % CODE_SLOTS
    if count < most:
        dictionary[count] = value
        slots[slot] = count + 1
    return count


@internal_kernel
def write_tile(values, codes, dictionaries, counts, slots, tile, first, rows, most):
    """Write the numbers of a tile, by code or by value."""
    for number in range(len(USAGE_NUMBERS)):
        column = USAGE_NUMBERS[number]
        count, last, code = counts[number], ZERO, MANY
        i = ZERO
        while i < rows and count != MANY:
            value = tile[i, column]
            if code < 0 or value != last:
                last, code = value, code_of(dictionaries[number], slots[number], count, value, most)
                count += code == count
            if count > most:
                for j in range(first):
                    values[number, j] = dictionaries[number, codes[number, j]]
                count = MANY
            else:
                codes[number, first + i] = code
                i += 1
        counts[number] = count
        if count == MANY:
            for j in range(rows):
                values[number, first + j] = tile[j, column]


@compiled
def write_columns(values, codes, dictionaries, counts, slots, filetypes, tile, text, ids, types, most):
    """Write the numbers of the rows of usage that wait, by columns.

    values: int64[numbers, at least rows], filled for the numbers that have too many values for a dictionary. codes:
    uint8[numbers, at least rows], and dictionaries: int64[numbers, MOST_CODES], for the others. counts:
    int64[numbers], zeros; filled with the number of codes, or MANY. slots: uint16[numbers, CODE_SLOTS], zeros.
    filetypes: uint32[rows]. tile: int64[TILE, USAGE_COLUMNS], scratch. text: uint8, cells with VECTOR bytes
    behind them; ids: int64[rows]. types: number of filetypes with suffixes. most: values of a dictionary, at most
    MOST_CODES.
    """
    at = ZERO
    for first in range(0, len(ids), TILE):
        rows = min(TILE, len(ids) - first)
        for i in range(rows):
            filetype, at = read_row(tile[i], text, at, ids[first + i], types)
            filetypes[first + i] = filetype
        write_tile(values, codes, dictionaries, counts, slots, tile, first, rows, most)


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
