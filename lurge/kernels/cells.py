"""Cells of the tree index: sums of the records of one directory, gid, uid and filetype, and how they are kept in runs.

In a run, a cell is a sequence of numbers: a mask of the bins that hold something, the key, the newest times, how much
older the oldest are, and the numbers of these bins. Most cells have few of them. A number below LONG is one byte;
another is LONG - 1 plus the number of its bytes, and these, the lowest first.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import inline_kernel, internal_kernel
from lurge.kernels.wide import bits_above, first_bit, load64, store64

LARGEST = np.int64(2**63 - 1)

AGES, CLASSES = 9, 8

GID, KEY, RECORDS, BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A, BINS = range(9)
"""Columns of cells: gid; uid and filetype; the sums; the oldest and newest mtime and atime; and the bins: records and
bytes by age of mtime, the same by age of atime, and files by size."""

BYTES_M, RECORDS_A, BYTES_A, SIZES = BINS + AGES, BINS + 2 * AGES, BINS + 3 * AGES, BINS + 4 * AGES
CELL_COLUMNS = SIZES + CLASSES
UID_SHIFT = np.int64(32)
TYPE_MASK = np.int64(0xFFFFFFFF)

ALONE = np.uint64(1 << (2 * AGES + CLASSES))
"""In the mask: the cell has one record. Then its size follows once, without a number of records."""

AGE_BINS, SIZE_CLASSES = np.uint64((1 << AGES) - 1), np.uint64((1 << CLASSES) - 1)
"""As many bits of the mask as there are bins of one time, and classes."""

LONG = np.uint64(248)

LONGEST_CELL = 9 * (9 + 4 * AGES + CLASSES)
"""Bytes of a cell that has something in every bin, at most, and those behind it that writing changes."""

LONGEST_OF_ONE = 120
"""Bytes by which a record makes a cell longer, at most: the mask, the key, four times, and five numbers of its bins."""


@inline_kernel
def capped_sum(left, right):
    """The sum of two int64 that are not negative, at most LARGEST."""
    # Nothing may overflow: compiled code does not define what it is then.
    return LARGEST if left > LARGEST - right else left + right


@inline_kernel
def put_number(buffer, at, number):
    """Write a uint64; returns the place behind it. Up to 9 bytes are changed."""
    if number < LONG:
        buffer[at] = np.uint8(number)
        return at + 1
    length = 8 - (np.int64(bits_above(number)) >> 3)
    buffer[at] = np.uint8(np.int64(LONG) - 1 + length)
    store64(buffer, at + 1, number)
    return at + 1 + length


@inline_kernel
def get_number(buffer, at):
    """Read a uint64; returns it, and the place behind it. Up to 9 bytes are looked at."""
    first = np.uint64(buffer[at])
    if first < LONG:
        return first, at + 1
    length = first - LONG + np.uint64(1)
    number = load64(buffer, at + 1)
    return number & (~np.uint64(0) >> np.uint64(64) - np.uint64(8) * length), at + 1 + np.int64(length)


@inline_kernel
def folded_sign(number):
    """An int64 as a uint64 that is small if its absolute value is."""
    return np.uint64(number << 1 ^ number >> 63)


@inline_kernel
def unfolded_sign(number):
    """The int64 that `folded_sign` folded."""
    return np.int64(number >> np.uint64(1)) ^ -np.int64(number & np.uint64(1))


@internal_kernel
def write_cell(buffer, at, cell):
    """Write a cell; returns the place behind it."""
    mask = ALONE if cell[RECORDS] == 1 else np.uint64(0)
    for i in range(AGES):
        mask |= np.uint64(cell[BINS + i] != 0) << np.uint64(i)
        mask |= np.uint64(cell[RECORDS_A + i] != 0) << np.uint64(AGES + i)
    for i in range(CLASSES):
        mask |= np.uint64(cell[SIZES + i] != 0) << np.uint64(2 * AGES + i)
    at = put_number(buffer, at, mask)
    at = put_number(buffer, at, np.uint64(cell[GID]))
    at = put_number(buffer, at, np.uint64(cell[KEY]) >> np.uint64(UID_SHIFT))
    at = put_number(buffer, at, np.uint64(cell[KEY] & TYPE_MASK))
    at = put_number(buffer, at, folded_sign(cell[LAST_M]))
    at = put_number(buffer, at, folded_sign(cell[LAST_A]))
    if mask & ALONE:
        return put_number(buffer, at, np.uint64(cell[BYTES]))
    at = put_number(buffer, at, np.uint64(cell[LAST_M]) - np.uint64(cell[FIRST_M]))
    at = put_number(buffer, at, np.uint64(cell[LAST_A]) - np.uint64(cell[FIRST_A]))
    for records, sizes, shift in ((BINS, BYTES_M, 0), (RECORDS_A, BYTES_A, AGES)):
        bins = mask >> np.uint64(shift) & AGE_BINS
        while bins:
            i = np.int64(first_bit(bins))
            at = put_number(buffer, at, np.uint64(cell[records + i]))
            at = put_number(buffer, at, np.uint64(cell[sizes + i]))
            bins &= bins - np.uint64(1)
    classes = mask >> np.uint64(2 * AGES) & SIZE_CLASSES
    while classes:
        at = put_number(buffer, at, np.uint64(cell[SIZES + np.int64(first_bit(classes))]))
        classes &= classes - np.uint64(1)
    return at


@inline_kernel
def read_key(buffer, at):
    """Read the beginning of a cell: its mask, gid, uid and filetype, and the place behind them."""
    mask, at = get_number(buffer, at)
    gid, at = get_number(buffer, at)
    uid, at = get_number(buffer, at)
    filetype, at = get_number(buffer, at)
    return mask, np.int64(gid), np.int64(uid << np.uint64(UID_SHIFT) | filetype), at


@internal_kernel
def read_cell(buffer, at, mask, cell):
    """Read what follows the key into cell[RECORDS:]; returns the place behind it."""
    for i in range(RECORDS, CELL_COLUMNS):
        cell[i] = 0
    last_m, at = get_number(buffer, at)
    last_a, at = get_number(buffer, at)
    cell[LAST_M], cell[LAST_A] = unfolded_sign(last_m), unfolded_sign(last_a)
    if mask & ALONE:
        cell[FIRST_M], cell[FIRST_A] = cell[LAST_M], cell[LAST_A]
        size, at = get_number(buffer, at)
        cell[RECORDS], cell[BYTES] = 1, np.int64(size)
        for i in range(AGES):
            if mask >> np.uint64(i) & np.uint64(1):
                cell[BINS + i], cell[BYTES_M + i] = 1, np.int64(size)
            if mask >> np.uint64(AGES + i) & np.uint64(1):
                cell[RECORDS_A + i], cell[BYTES_A + i] = 1, np.int64(size)
        for i in range(CLASSES):
            cell[SIZES + i] = np.int64(mask >> np.uint64(2 * AGES + i) & np.uint64(1))
        return at
    span, at = get_number(buffer, at)
    span_a, at = get_number(buffer, at)
    cell[FIRST_M] = np.int64(np.uint64(cell[LAST_M]) - span)
    cell[FIRST_A] = np.int64(np.uint64(cell[LAST_A]) - span_a)
    for records, sizes, shift in ((BINS, BYTES_M, 0), (RECORDS_A, BYTES_A, AGES)):
        bins = mask >> np.uint64(shift) & AGE_BINS
        while bins:
            i = np.int64(first_bit(bins))
            number, at = get_number(buffer, at)
            size, at = get_number(buffer, at)
            cell[records + i], cell[sizes + i] = np.int64(number), np.int64(size)
            if not shift:
                cell[RECORDS] += np.int64(number)
                cell[BYTES] = capped_sum(cell[BYTES], np.int64(size))
            bins &= bins - np.uint64(1)
    classes = mask >> np.uint64(2 * AGES) & SIZE_CLASSES
    while classes:
        number, at = get_number(buffer, at)
        cell[SIZES + np.int64(first_bit(classes))] = np.int64(number)
        classes &= classes - np.uint64(1)
    return at


@internal_kernel
def add_cell(target, cell):
    """Add one cell to another of the same key. Sums are capped at LARGEST."""
    target[FIRST_M] = min(target[FIRST_M], cell[FIRST_M])
    target[LAST_M] = max(target[LAST_M], cell[LAST_M])
    target[FIRST_A] = min(target[FIRST_A], cell[FIRST_A])
    target[LAST_A] = max(target[LAST_A], cell[LAST_A])
    target[RECORDS] += cell[RECORDS]
    target[BYTES] = capped_sum(target[BYTES], cell[BYTES])
    for i in range(BINS, CELL_COLUMNS):
        target[i] = capped_sum(target[i], cell[i])
