"""Finding the pseudo group and the base directory of a path, by component, the longest winning.

One pass over a path hashes every prefix that ends at a component boundary and is as long as some known directory;
only those are looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import ZERO, inline_kernel, internal_kernel
from lurge.kernels.table import TableArrays, find, find_or_add, hash_key, new_arrays, new_secret

ANY_GROUP = ZERO


class LookupArrays(NamedTuple):
    """Known directories: a table from (gid, 0, path) to a number in `value`, and which path lengths occur.

    lengths: bool[longest + 1]. boundaries: int64[longest + 2], scratch for one thread.
    """

    table: TableArrays
    value: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.bool_]
    boundaries: npt.NDArray[np.int64]


def compile_lookup(directories: Mapping[tuple[int, bytes], int]) -> LookupArrays:
    """(gid, path without trailing slash) -> number, for kernels."""
    entries = 1 << max(6, len(directories).bit_length())
    text = sum(len(path) for _, path in directories) + 1
    table = new_arrays(0, entries, text, new_secret())
    longest = max((len(path) for _, path in directories), default=-1)
    lengths = np.zeros(longest + 1, np.bool_)
    value = np.zeros(len(directories), np.int64)
    for (gid, path), number in directories.items():
        entry = find_or_add(table, gid, 0, np.frombuffer(bytearray(path), np.uint8), 0, len(path))
        value[entry] = number
        lengths[len(path)] = True
    return LookupArrays(table, value, lengths, np.zeros(longest + 2, np.int64))


@internal_kernel
def find_boundaries(lookup, path, length):
    """Fill `boundaries` with the lengths of the prefixes worth looking up, shortest first; returns how many."""
    count = 0
    for i in range(min(length + 1, len(lookup.lengths))):
        if lookup.lengths[i] and (i == length or path[i] == 47):
            lookup.boundaries[count] = i
            count += 1
    return count


@internal_kernel
def find_longest(lookup, gid, path, boundaries):
    """The entry of the longest known directory of `gid` that is or holds `path`; -1 if none does."""
    for i in range(boundaries - 1, -1, -1):
        length = lookup.boundaries[i]
        key_hash = hash_key(lookup.table.secret, gid, ZERO, path, ZERO, length)
        entry = find(lookup.table, gid, ZERO, path, ZERO, length, key_hash)
        if entry >= 0:
            return entry
    return -1


@inline_kernel
def find_group(pseudo, path, length, record_gid):
    """The gid for which a record counts: the nearest pseudo group's, else its own."""
    if len(pseudo.lengths):
        entry = find_longest(pseudo, ANY_GROUP, path, find_boundaries(pseudo, path, length))
        if entry >= 0:
            return pseudo.value[entry]
    return record_gid
