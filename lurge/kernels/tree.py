"""The kernels of the tree index: sums of each directory's own records, as fragments in sorted runs.

A *fragment* is a directory and some cells of its own records: a header of 8 bytes (its whole length, and that of the
path, each in 4 bytes), the path, and the cells as `kernels.cells` writes them. A directory may have several.

Directories are sorted by component. For that, paths are kept *translated*: each slash is 0, and each byte below it is
one more. Then a path sorts before everything below it, and that before all that follows. The root is the empty path.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels import record
from lurge.kernels.cells import (
    BINS,
    BYTES,
    BYTES_A,
    BYTES_M,
    CELL_COLUMNS,
    FIRST_A,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    RECORDS,
    RECORDS_A,
    SIZES,
    UID_SHIFT,
    capped_sum,
    write_cell,
)
from lurge.kernels.compiling import ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.parse import DIRECTORY, FILE
from lurge.kernels.suffixes import Suffixes, filetype_of, tail_of
from lurge.kernels.wide import FACTOR, VECTOR, bits_above, copy_vector, first_bit, folded_product, load64
from lurge.model.dump import SECONDS_A_DAY
from lurge.model.tree import AGE_DAYS

SLASH = 47
LINK = ord("l")
NONE = np.int64(-1)

OTHER, DIRECTORY_TYPE, LINK_TYPE, SPECIAL, VAULT = (np.int64(number) for number in range(5))
"""Numbers of filetypes, counted from behind those with suffixes."""

SIZE_BITS = np.array([0, 12, 16, 20, 26, 30, 34], np.int64)
"""The largest size of each class of files but the last is 2 to the power of this; that of the first is 0."""

CLASS_OF_BITS = np.array([np.count_nonzero(bits > SIZE_BITS[1:]) + 1 for bits in range(65)], np.uint8)
"""uint8[65]: the class of a size by the number of bits of the number before it."""

AGE_OF_DAY = np.searchsorted(AGE_DAYS, np.arange(AGE_DAYS[-1] + 1), side="right").astype(np.uint8)
"""uint8: the age bin of each number of days until that of the last bin."""

OPEN_CELLS = 256
"""Cells in a fragment, at most."""

HEADER = 8
USED, PATH_LENGTH, AT, FRAGMENTS = range(4)
"""The state of a tally: cells of the open directory; the length of its path, -1 if none is open; bytes and fragments in
the buffer."""

START, LENGTH, PATH = range(3)
"""Columns of the index of fragments: where one begins in the buffer, its length, and that of its path."""


@inline_kernel
def translated(byte):
    """A byte of a path as it is sorted."""
    return np.uint8(0) if byte == SLASH else byte + np.uint8(byte < SLASH)


@inline_kernel
def original(byte):
    """The byte of a path that `translated` returned as another."""
    return np.uint8(SLASH) if byte == 0 else byte - np.uint8(byte <= SLASH)


TRANSLATION = bytes((0 if byte == SLASH else byte + (byte < SLASH)) for byte in range(256))
"""`translated` as a table for bytes.translate."""


@inline_kernel
def age_of(now, time):
    """The number of the age bin of a time that is not after `now`."""
    days = (np.uint64(now) - np.uint64(time)) // np.uint64(SECONDS_A_DAY)
    return np.int64(AGE_OF_DAY[np.int64(min(days, np.uint64(AGE_DAYS[-1])))])


@inline_kernel
def class_of(size):
    """The number of the class of a size."""
    return np.int64(CLASS_OF_BITS[64 - np.int64(bits_above(np.uint64(size - 1)))]) if size > 0 else ZERO


@inline_kernel
def fill_cell(cell, gid, key, size, mtime, atime, mtime_age, atime_age, size_class):
    """Turn a cell of zeros into that of one record. size_class: -1 if it is not a file."""
    cell[GID], cell[KEY], cell[RECORDS], cell[BYTES] = gid, key, 1, size
    cell[FIRST_M] = cell[LAST_M] = mtime
    cell[FIRST_A] = cell[LAST_A] = atime
    cell[BINS + mtime_age] = cell[RECORDS_A + atime_age] = 1
    cell[BYTES_M + mtime_age] = cell[BYTES_A + atime_age] = size
    if size_class >= 0:
        cell[SIZES + size_class] = 1


@inline_kernel
def add_record(cell, size, mtime, atime, mtime_age, atime_age, size_class):
    """Add one record to a cell that has some."""
    cell[RECORDS] += 1
    cell[FIRST_M], cell[LAST_M] = min(cell[FIRST_M], mtime), max(cell[LAST_M], mtime)
    cell[FIRST_A], cell[LAST_A] = min(cell[FIRST_A], atime), max(cell[LAST_A], atime)
    cell[BINS + mtime_age] += 1
    cell[RECORDS_A + atime_age] += 1
    for column in (BYTES, BYTES_M + mtime_age, BYTES_A + atime_age):
        cell[column] = capped_sum(cell[column], size)
    if size_class >= 0:
        cell[SIZES + size_class] += 1


@inline_kernel
def end_fragment(state, buffer, index, end, path_length):
    """Write the header of the fragment that begins at state[AT] and ends here, and enter it into the index."""
    start, length = state[AT], end - state[AT]
    for i in range(4):
        buffer[start + i] = np.uint8(length >> 8 * i & 255)
        buffer[start + 4 + i] = np.uint8(path_length >> 8 * i & 255)
    row = index[state[FRAGMENTS]]
    row[START], row[LENGTH], row[PATH] = start, length, path_length
    state[FRAGMENTS] += 1
    state[AT] = end


@internal_kernel
def close_directory(state, path, slots, slot_of, cells, buffer, index):
    """Write the cells of the open directory as a fragment, and forget them; it stays open."""
    if state[USED] == 0:
        return
    start, length = state[AT], state[PATH_LENGTH]
    at = start + HEADER
    for i in range(length):
        buffer[at + i] = path[i]
    at += length
    for i in range(state[USED]):
        at = write_cell(buffer, at, cells[i])
        slots[slot_of[i]] = -1
        for column in range(CELL_COLUMNS):
            cells[i, column] = 0
    end_fragment(state, buffer, index, at, length)
    state[USED] = 0


@compiled
def close_last(state, path, slots, slot_of, cells, buffer, index):
    """Write what is open."""
    close_directory(state, path, slots, slot_of, cells, buffer, index)
    state[PATH_LENGTH] = -1


@inline_kernel
def is_open(state, path, here, length):
    """True if a directory is the one that is open."""
    if length != state[PATH_LENGTH]:
        return False
    i = ZERO
    while i < length and path[i] == translated(here[i]):
        i += 1
    return i == length


@internal_kernel
def write_alone(state, here, length, cell, buffer, index):
    """Write a directory with one cell as a fragment."""
    start = state[AT]
    for i in range(length):
        buffer[start + HEADER + i] = translated(here[i])
    at = write_cell(buffer, start + HEADER + length, cell)
    end_fragment(state, buffer, index, at, length)


@compiled
def add_own(fields, count, paths, is_key, now, types, recent, alone, state, path, slots, slot_of, cells,
            buffer, index, *suffix_arrays):  # fmt: skip
    """Add `count` records, none of which had vanished, to the cells of their own directories.

    is_key: uint8, of `find_keys`. now: the dump's time. types: number of filetypes with suffixes. recent: int32, for
    each filetype a cell that had it, which is looked at first. alone: int64[CELL_COLUMNS], zeros. The open directory:
    state: int64[4]; path: uint8; slots: int32, a power of two of at least 2 * OPEN_CELLS; slot_of: int32[OPEN_CELLS];
    cells: int64[OPEN_CELLS, CELL_COLUMNS]. buffer: uint8, and index: int64[n, 3], have room for what all records may
    need.
    """
    suffixes = Suffixes(*suffix_arrays)
    mask = np.uint64(len(slots) - 1)
    place = NONE
    for i in range(count):
        kind, size = fields[record.KIND, i], fields[record.BYTES, i]
        length, parent = fields[record.LENGTH, i], fields[record.PARENT, i]
        here = paths[fields[record.START, i] :]
        gid, uid = fields[record.GROUP, i], fields[record.UID, i]
        mtime, atime = fields[record.MTIME, i], fields[record.ATIME, i]
        mtime_age, atime_age = age_of(now, mtime), age_of(now, atime)
        size_class = NONE
        if kind == DIRECTORY:
            own = length if length > 1 else ZERO
            filetype = types + DIRECTORY_TYPE
            key = uid << UID_SHIFT | filetype
            if not is_open(state, path, here, own):
                fill_cell(alone, gid, key, size, mtime, atime, mtime_age, atime_age, NONE)
                write_alone(state, here, own, alone, buffer, index)
                for column in range(CELL_COLUMNS):
                    alone[column] = 0
                continue
        else:
            if fields[record.PLACE, i] != place:
                place = fields[record.PLACE, i]
                own = parent if parent > 1 else ZERO
                if not is_open(state, path, here, own):
                    close_directory(state, path, slots, slot_of, cells, buffer, index)
                    state[PATH_LENGTH] = own
                    for j in range(own):
                        path[j] = translated(here[j])
            if kind == FILE:
                size_class = class_of(fields[record.WHOLE, i])
                if is_key[i]:
                    filetype = types + VAULT
                else:
                    filetype, _ = filetype_of(suffixes, tail_of(here, length), here, parent, length)
                    if filetype < 0:
                        filetype = types + OTHER
            else:
                filetype = types + (LINK_TYPE if kind == LINK else SPECIAL)
            key = uid << UID_SHIFT | filetype
        entry = recent[filetype]
        if entry < state[USED] and cells[entry, KEY] == key and cells[entry, GID] == gid:
            add_record(cells[entry], size, mtime, atime, mtime_age, atime_age, size_class)
            continue
        key_hash = folded_product(np.uint64(gid) + FACTOR, np.uint64(key) ^ FACTOR)
        slot = np.int64(key_hash & mask)
        while slots[slot] >= 0 and (cells[slots[slot], GID] != gid or cells[slots[slot], KEY] != key):
            slot = (slot + 1) & np.int64(mask)
        if slots[slot] >= 0:
            recent[filetype] = slots[slot]
            add_record(cells[slots[slot]], size, mtime, atime, mtime_age, atime_age, size_class)
            continue
        if state[USED] == OPEN_CELLS:
            close_directory(state, path, slots, slot_of, cells, buffer, index)
            slot = np.int64(key_hash & mask)
        entry = state[USED]
        slots[slot] = recent[filetype] = entry
        slot_of[entry] = slot
        fill_cell(cells[entry], gid, key, size, mtime, atime, mtime_age, atime_age, size_class)
        state[USED] += 1


@internal_kernel
def is_before(text, start, length, other_text, other, other_length):
    """True if one name is before another in the order of bytes, a shorter one before those that it begins."""
    shorter = min(length, other_length)
    i = ZERO
    while i + 8 <= shorter:
        differ = load64(text, start + i) ^ load64(other_text, other + i)
        if differ:
            i += np.int64(first_bit(differ)) >> 3
            return text[start + i] < other_text[other + i]
        i += 8
    while i < shorter:
        if text[start + i] != other_text[other + i]:
            return text[start + i] < other_text[other + i]
        i += 1
    return length < other_length


@inline_kernel
def path_before(buffer, left, right):
    """True if the path of one fragment is before that of another. left, right: their rows of the index."""
    return is_before(buffer, left[START] + HEADER, left[PATH], buffer, right[START] + HEADER, right[PATH])


@internal_kernel
def sort_fragments(buffer, index, order, other):
    """Sort fragments by path: fill `order`, int64[fragments]. other: scratch of the same size."""
    count = len(order)
    for i in range(count):
        order[i] = i
    width = 1
    while width < count:
        start = 0
        while start < count:
            middle, end = min(start + width, count), min(start + 2 * width, count)
            # Most fragments come in order.
            if middle >= end or not path_before(buffer, index[order[middle]], index[order[middle - 1]]):
                for at in range(start, end):
                    other[at] = order[at]
                start = end
                continue
            left, right = start, middle
            for at in range(start, end):
                if left >= middle or (right < end and path_before(buffer, index[order[right]], index[order[left]])):
                    other[at] = order[right]
                    right += 1
                else:
                    other[at] = order[left]
                    left += 1
            start = end
        for i in range(count):
            order[i] = other[i]
        width *= 2


@compiled
def export_run(out, buffer, index, order, other):
    """Copy all fragments to `out`, sorted by path. order, other: int64[fragments], of which `order` is filled.

    `out` and `buffer` have VECTOR bytes behind the fragments.
    """
    sort_fragments(buffer, index, order, other)
    at = ZERO
    for i in range(len(order)):
        start, length = index[order[i], START], index[order[i], LENGTH]
        for done in range(0, length, VECTOR):
            copy_vector(out, at + done, buffer, start + done)
        at += length
