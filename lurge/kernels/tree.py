"""The kernels of the tree index: sums of each directory's own records, and rolling them up.

Directories are sorted by component. For that, paths are kept *translated*: each slash is 0, and each byte below it is
one more. Then a path sorts before everything below it, and that before all that follows. The root is the empty path.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels import record
from lurge.kernels.compiling import ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.directories import Suffixes, find_rows, has_suffix, tail_of
from lurge.kernels.parse import DIRECTORY, FILE
from lurge.kernels.table import COUNT, LENGTH, NAME, NEWEST, SUMS, A, B, TableArrays, find_or_add
from lurge.kernels.vault import find_mark, read_vault_path
from lurge.kernels.wide import first_bit, load64

SLASH = 47
LINK = ord("l")
NONE = np.int64(-1)
LARGEST = np.int64(2**63 - 1)

OTHER, DIRECTORY_TYPE, LINK_TYPE, SPECIAL, VAULT = (np.int64(number) for number in range(5))
"""Numbers of filetypes, counted from behind those with suffixes."""

SIZE_LIMITS = np.array([0, 1 << 12, 1 << 16, 1 << 20, 1 << 26, 1 << 30, 1 << 34], np.int64)
"""The largest size of each class of files but the last."""

AGES, CLASSES = 9, 8
UID_SHIFT = np.int64(32)

GID, KEY, RECORDS, BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A, BINS = range(9)
"""Columns of cells: gid; uid and filetype; the sums; the oldest and newest mtime and atime; and the bins: records and
bytes by age of mtime, the same by age of atime, and files by size."""

BIN_COLUMNS = 4 * AGES + CLASSES
CELL_COLUMNS = BINS + BIN_COLUMNS

OLDEST_MTIME, OLDEST_ATIME, NEWEST_ATIME, TABLE_BINS = SUMS + 1, SUMS + 2, SUMS + 3, SUMS + 4
TABLE_SUMS = 4 + BIN_COLUMNS
"""Columns of the table of cells, behind the sum of bytes; NEWEST is that of mtime."""

TEXT, TEXT_LENGTH, FIRST_CELL = range(3)
"""Columns of directories in runs."""


@inline_kernel
def translated(byte):
    """A byte of a path as it is sorted."""
    return np.uint8(0) if byte == SLASH else byte + np.uint8(byte < SLASH)


@internal_kernel
def find_directory(directories, path, length, translation):
    """The entry of the directory path[:length] in a table; the root's length may be 0 or 1."""
    if length == 1:
        length = ZERO
    for i in range(length):
        translation[i] = translated(path[i])
    return find_or_add(directories, ZERO, ZERO, translation, ZERO, length)


@inline_kernel
def count_bins(limits, time):
    """The number of an age bin. limits: the newest time of each bin but the first, descending."""
    bin_number = ZERO
    for i in range(len(limits)):
        bin_number += np.int64(time <= limits[i])
    return bin_number


@internal_kernel
def filetype_of(suffixes, path, parent, length, types):
    """The first filetype that has a suffix at the end of the base name path[parent + 1:length]; OTHER if none has."""
    tail = tail_of(path, length)
    first, after = find_rows(suffixes, tail)
    for i in range(first, after):
        if has_suffix(suffixes, i, tail, path, length - parent, length):
            return suffixes.at[i, 2]
    return types + OTHER


@inline_kernel
def capped_sum(left, right):
    """The sum of two int64 that are not negative, at most LARGEST."""
    total = left + right
    return total if total >= 0 else LARGEST


@inline_kernel
def add_record(cells, entry, size, mtime, atime, mtime_age, atime_age, size_class):
    """Add one record to an entry of the table of cells. size_class: -1 if it is not a file."""
    row = cells.rows[entry]
    if row[COUNT] == 0:
        row[NEWEST] = row[OLDEST_MTIME] = np.uint64(mtime)
        row[OLDEST_ATIME] = row[NEWEST_ATIME] = np.uint64(atime)
    else:
        row[NEWEST] = np.uint64(max(np.int64(row[NEWEST]), mtime))
        row[OLDEST_MTIME] = np.uint64(min(np.int64(row[OLDEST_MTIME]), mtime))
        row[OLDEST_ATIME] = np.uint64(min(np.int64(row[OLDEST_ATIME]), atime))
        row[NEWEST_ATIME] = np.uint64(max(np.int64(row[NEWEST_ATIME]), atime))
    row[COUNT] += np.uint64(1)
    row[SUMS] = np.uint64(capped_sum(np.int64(row[SUMS]), size))
    row[TABLE_BINS + mtime_age] += np.uint64(1)
    for column in (TABLE_BINS + AGES + mtime_age, TABLE_BINS + 3 * AGES + atime_age):
        row[column] = np.uint64(capped_sum(np.int64(row[column]), size))
    row[TABLE_BINS + 2 * AGES + atime_age] += np.uint64(1)
    if size_class >= 0:
        row[TABLE_BINS + 4 * AGES + size_class] += np.uint64(1)


@compiled
def add_own(fields, count, paths, limits, types, translation, joined, marked, *arrays):
    """Add `count` records, none of which had vanished, to the cells of their own directories; there must be room.

    limits: int64[AGES - 1], for `count_bins`. types: number of filetypes with suffixes. translation, joined, marked:
    uint8, scratch for one path each. arrays: those of the tables of directories, of owners (gid, uid) and of cells
    (directory, owner and filetype), and of Suffixes.
    """
    directories, owners, cells = TableArrays(*arrays[:6]), TableArrays(*arrays[6:12]), TableArrays(*arrays[12:18])
    suffixes = Suffixes(*arrays[18:24])
    place = owner = last_gid = last_uid = directory_here = NONE
    in_vault = False
    for i in range(count):
        kind, size = fields[record.KIND, i], fields[record.BYTES, i]
        length, parent = fields[record.LENGTH, i], fields[record.PARENT, i]
        path = paths[fields[record.START, i] :]
        if kind == DIRECTORY:
            directory = find_directory(directories, path, length, translation)
            filetype, size_class = types + DIRECTORY_TYPE, NONE
        else:
            if fields[record.PLACE, i] != place:
                place = fields[record.PLACE, i]
                directory_here = find_directory(directories, path, parent, translation)
                in_vault = find_mark(path, parent + 1) >= 0
            directory, size_class = directory_here, NONE
            if kind == FILE:
                size_class = ZERO
                for limit in SIZE_LIMITS:
                    size_class += np.int64(fields[record.WHOLE, i] > limit)
                if in_vault and read_vault_path(path, length, joined, marked, ZERO)[0] >= 0:
                    filetype = types + VAULT
                else:
                    filetype = filetype_of(suffixes, path, parent, length, types)
            else:
                filetype = types + (LINK_TYPE if kind == LINK else SPECIAL)
        gid, uid = fields[record.GROUP, i], fields[record.UID, i]
        if owner < 0 or gid != last_gid or uid != last_uid:
            owner = find_or_add(owners, gid, uid, translation, ZERO, ZERO)
            last_gid, last_uid = gid, uid
        mtime, atime = fields[record.MTIME, i], fields[record.ATIME, i]
        entry = find_or_add(cells, directory, owner << UID_SHIFT | filetype, translation, ZERO, ZERO)
        add_record(cells, entry, size, mtime, atime, count_bins(limits, mtime), count_bins(limits, atime), size_class)


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


@internal_kernel
def sort_names(text, rows, order, other):
    """Sort the entries of a table by name: fill `order`, int64[entries]. other: scratch of the same size."""
    count = len(order)
    for i in range(count):
        order[i] = i
    width = 1
    while width < count:
        start = 0
        while start < count:
            middle, end = min(start + width, count), min(start + 2 * width, count)
            left, right, at = start, middle, start
            while at < end:
                take_right = left >= middle
                if left < middle and right < end:
                    first, second = order[left], order[right]
                    take_right = is_before(
                        text, np.int64(rows[second, NAME]), np.int64(rows[second, LENGTH]),
                        text, np.int64(rows[first, NAME]), np.int64(rows[first, LENGTH]),
                    )  # fmt: skip
                other[at] = order[right] if take_right else order[left]
                right += np.int64(take_right)
                left += np.int64(not take_right)
                at += 1
            start = end
        for i in range(count):
            order[i] = other[i]
        width *= 2


@compiled
def export_run(out_text, out_directories, out_cells, order, scratch, *arrays):
    """Export the tables of `add_own`, the directories sorted.

    out_text: uint8, the bytes of all names. out_directories: int64[directories, 3]. out_cells: int64[cells,
    CELL_COLUMNS], in the order of the directories. order, scratch: int64[directories]. arrays: those of the tables.
    """
    directories, owners, cells = TableArrays(*arrays[:6]), TableArrays(*arrays[6:12]), TableArrays(*arrays[12:18])
    sort_names(directories.text, directories.rows, order, scratch)
    for i in range(len(scratch)):
        scratch[i] = 0
    for i in range(len(out_cells)):
        scratch[np.int64(cells.rows[i, A])] += 1
    at = text_at = ZERO
    for place in range(len(order)):
        entry = order[place]
        start, length = np.int64(directories.rows[entry, NAME]), np.int64(directories.rows[entry, LENGTH])
        for i in range(length):
            out_text[text_at + i] = directories.text[start + i]
        out_directories[place, TEXT] = text_at
        out_directories[place, TEXT_LENGTH] = length
        out_directories[place, FIRST_CELL] = at
        text_at += length
        next_at = at + scratch[entry]
        scratch[entry] = at
        at = next_at
    for i in range(len(out_cells)):
        row = cells.rows[i]
        directory, key = np.int64(row[A]), np.int64(row[B])
        to = scratch[directory]
        scratch[directory] += 1
        owner = key >> UID_SHIFT
        out_cells[to, GID] = np.int64(owners.rows[owner, A])
        out_cells[to, KEY] = np.int64(owners.rows[owner, B]) << UID_SHIFT | key & np.int64(0xFFFFFFFF)
        out_cells[to, RECORDS] = np.int64(row[COUNT])
        out_cells[to, BYTES] = np.int64(row[SUMS])
        out_cells[to, FIRST_M] = np.int64(row[OLDEST_MTIME])
        out_cells[to, LAST_M] = np.int64(row[NEWEST])
        out_cells[to, FIRST_A] = np.int64(row[OLDEST_ATIME])
        out_cells[to, LAST_A] = np.int64(row[NEWEST_ATIME])
        for column in range(BIN_COLUMNS):
            out_cells[to, BINS + column] = np.int64(row[TABLE_BINS + column])
