"""The kernel that finds out for which group, and in which base directory, each record counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.compiling import ZERO, compiled, inline_kernel
from lurge.kernels.lookup import LookupArrays, find_boundaries, find_group, find_longest
from lurge.kernels.table import LENGTH, TableArrays
from lurge.kernels.usual import lowest_bits
from lurge.kernels.wide import VECTOR, bits_above, differ_mask, equal_mask

NONE = np.int64(-1)
SLASH = np.uint8(ord("/"))
RECORDS, ATTRIBUTED, UNATTRIBUTED, VANISHED = range(4)


class Attribution(NamedTuple):
    """Base directories and pseudo groups to which records may belong.

    bases: (gid, path) -> number of the base directory. pseudo: (ANY_GROUP, path) -> gid. special: bool[longest + 1],
    the lengths of paths that may be a base directory's or a pseudo group's.
    """

    bases: LookupArrays
    pseudo: LookupArrays
    special: npt.NDArray[np.bool_]

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All arrays, as `attribute` takes them."""
        return (self.special, *(array for lookup in self[:2] for array in (*lookup.table, *lookup[1:])))


class Counters(NamedTuple):
    """Counters that are kept apart from all tables.

    records: int64[4], by RECORDS, ATTRIBUTED, UNATTRIBUTED, VANISHED. bytes: uint64[2, 2], the low and high words of
    the attributed and of the unattributed bytes.
    """

    records: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.uint64]


def new_counters() -> Counters:
    """Counters that are all 0."""
    return Counters(np.zeros(4, np.int64), np.zeros((2, 2), np.uint64))


@inline_kernel
def add_bytes(counters, row, size):
    """Add to a sum of 128 bits."""
    total = counters.bytes[row, 0] + size
    if total < size:
        counters.bytes[row, 1] += np.uint64(1)
    counters.bytes[row, 0] = total


@inline_kernel
def last_slash(paths, at, length):
    """The place of the last slash in the path paths[at:at + length], counted from `at`; the path must have one."""
    end = length
    while True:
        start = max(end - VECTOR, ZERO)
        slashes = equal_mask(paths, at + start, SLASH) & (lowest_bits(end - start))
        if slashes:
            return start + 63 - np.int64(bits_above(slashes))
        end = start


@inline_kernel
def same_vectors(paths, left, right, length):
    """True if two parts of paths are equal, behind each of which VECTOR bytes must exist."""
    done = ZERO
    while done < length:
        differ = differ_mask(paths, left + done, paths, right + done)
        if differ & lowest_bits(length - done):
            return False
        done += VECTOR
    return True


@compiled
def attribute(fields, count, paths, *arrays):
    """Fill PARENT, GROUP, BASE, BASE_LENGTH and PLACE of `count` records, and count them.

    Neighbours mostly share their directory, for which the answer is the same, unless a path could itself be a base
    directory or a pseudo group's. arrays: those of Counters and `Attribution.arrays`. Returns the number of records
    that had vanished.
    """
    counters, special = Counters(*arrays[:2]), arrays[2]
    bases = LookupArrays(TableArrays(*arrays[3:9]), arrays[9], arrays[10], arrays[11])
    pseudo = LookupArrays(TableArrays(*arrays[12:18]), arrays[18], arrays[19], arrays[20])
    last_parent, last_gid, last_start, place = NONE, NONE, ZERO, NONE
    group = base = NONE
    base_length = vanished = ZERO
    for i in range(count):
        start, length = fields[record.START, i], fields[record.LENGTH, i]
        parent, gid = last_slash(paths, start, length), fields[record.GID, i]
        fields[record.PARENT, i] = parent
        is_special = length < len(special) and special[length]
        same = parent == last_parent and gid == last_gid and not is_special
        if not (same and same_vectors(paths, start, last_start, parent)):
            path = paths[start:]
            group = find_group(pseudo, path, length, gid)
            entry = find_longest(bases, group, path, find_boundaries(bases, path, length))
            base, base_length = NONE, ZERO
            if entry >= 0:
                base, base_length = bases.value[entry], np.int64(bases.table.rows[entry, LENGTH])
            place += 1
            last_parent, last_gid = NONE if is_special else parent, gid
        last_start = start
        fields[record.GROUP, i] = group
        fields[record.BASE, i] = base
        fields[record.BASE_LENGTH, i] = base_length
        fields[record.PLACE, i] = place
        if fields[record.NLINK, i] == 0:
            vanished += 1
        elif base < 0:
            counters.records[UNATTRIBUTED] += 1
            add_bytes(counters, 1, np.uint64(fields[record.BYTES, i]))
        else:
            counters.records[ATTRIBUTED] += 1
            add_bytes(counters, 0, np.uint64(fields[record.BYTES, i]))
    counters.records[VANISHED] += vanished
    return vanished


@compiled
def drop_vanished(fields, count):
    """Leave out the records of entries that had vanished, among the first `count`; returns how many are left."""
    kept = ZERO
    for i in range(count):
        if fields[record.NLINK, i] != 0:
            if kept < i:
                for column in range(record.COLUMNS):
                    fields[column, kept] = fields[column, i]
            kept += 1
    return kept
