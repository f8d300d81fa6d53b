"""The kernel that sums files by subdirectory of a base directory and by filetype."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.compiling import ONE, compiled, inline_kernel, internal_kernel
from lurge.kernels.parse import FILE
from lurge.kernels.suffixes import NONE, Suffixes, filetype_of, find_group, has_suffix, tail_of
from lurge.kernels.table import TableArrays, add_entry, add_sum, find_or_add


class DeepNames(NamedTuple):
    """The names of directories that are reported one level deeper.

    text: uint8, `.` and the names. at: int64[n, 2], start and length of the names.
    """

    text: npt.NDArray[np.uint8]
    at: npt.NDArray[np.int64]


@internal_kernel
def find_subdirectory(deep, path, start, length):
    """(start, length) of the subdirectory of a file whose path below its base directory is path[start:length].

    (0, -1) if the file is directly in the base directory: `.`, the first byte of `deep.text`.
    """
    first = start
    while first < length and path[first] != 47:
        first += 1
    if first >= length:
        return 0, -1
    for i in range(len(deep.at)):
        at = deep.at[i, 0]
        size = deep.at[i, 1]
        if first - start != size:
            continue
        j = 0
        while j < size and path[start + j] == deep.text[at + j]:
            j += 1
        if j == size:
            second = first + 1
            while second < length and path[second] != 47:
                second += 1
            return start, (second if second < length else first) - start
    return start, first - start


@inline_kernel
def add_filetypes(suffixes, directories, entry, path, parent, length, size):
    """Add a file to each filetype that has a suffix at the end of the base name path[parent + 1:length]."""
    tail = tail_of(path, length)
    filetype, has_more = filetype_of(suffixes, tail, path, parent, length)
    if not has_more:
        # Which files have a type cannot be predicted: adding 0 costs less than a wrong guess.
        add_sum(directories, entry, 1 + filetype, size & -np.uint64(filetype != NONE), np.uint64(0))
        return
    counted, group = NONE, find_group(suffixes, tail)
    for i in range(suffixes.groups[group, 0], suffixes.groups[group, 1]):
        filetype = suffixes.at[i, 2]
        if filetype != counted and has_suffix(suffixes, i, tail, path, length - parent, length):
            add_sum(directories, entry, 1 + filetype, size, np.uint64(0))
            counted = filetype


@compiled
def add_files(fields, count, paths, *arrays):
    """Add the files in base directories among `count` records, none of which had vanished; there must be room.

    Keys are (GROUP, BASE, subdirectory); the first sum is the bytes, the others are those of each filetype.
    arrays: those of the table, of DeepNames and of Suffixes.
    """
    table, deep, suffixes = TableArrays(*arrays[:6]), DeepNames(*arrays[6:8]), Suffixes(*arrays[8:15])
    place = entry = np.int64(-1)
    for i in range(count):
        base = fields[record.BASE, i]
        if fields[record.KIND, i] != FILE or base < 0:
            continue
        start, length = fields[record.START, i], fields[record.LENGTH, i]
        path = paths[start:]
        if fields[record.PLACE, i] != place:
            place = fields[record.PLACE, i]
            below = fields[record.BASE_LENGTH, i] + 1
            at, name_length = find_subdirectory(deep, path, below, length)
            name = deep.text if name_length < 0 else path
            entry = find_or_add(table, fields[record.GROUP, i], base, name, at, abs(name_length))
        size = np.uint64(fields[record.BYTES, i])
        add_entry(table, entry, size, fields[record.MTIME, i], ONE)
        add_filetypes(suffixes, table, entry, path, fields[record.PARENT, i], length, size)
