"""The kernel that sums files by subdirectory of a base directory and by filetype."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.parse import FILE
from lurge.kernels.table import TableArrays, add_entry, add_sum, find_or_add
from lurge.kernels.wide import load64

WORD = 8
ENDING = 4
"""The last bytes of a name by which its suffixes are looked up."""


class Suffixes(NamedTuple):
    """The suffixes of all filetypes in lower case, in groups of at least one, within each sorted by filetype.

    text: uint8. at: int64[n, 3], start in text, length, filetype. tail: uint64[n, 2], the last bytes of each, up to
    WORD of them, in the highest of a word, and which of the word they are. endings: int64[power of two], a hash table
    without collisions of the endings of longer suffixes, as numbers, -1 if empty; the slot of each is in the upper half
    of its product with `factor`, uint64[1]. groups: int64[slots + 256, 2], the rows (first, after) of the suffixes that
    a name with the ending in a slot may have, and, for other endings, by their last byte.
    """

    text: npt.NDArray[np.uint8]
    at: npt.NDArray[np.int64]
    tail: npt.NDArray[np.uint64]
    endings: npt.NDArray[np.int64]
    factor: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.int64]


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
def lower(word):
    """A word of eight bytes with its ASCII letters in lower case."""
    rest = word & np.uint64(0x7F7F7F7F7F7F7F7F)
    beyond_z = rest + np.uint64(0x2525252525252525)
    from_a = rest + np.uint64(0x3F3F3F3F3F3F3F3F)
    return word | ((from_a & ~beyond_z & ~word & np.uint64(0x8080808080808080)) >> np.uint64(2))


@inline_kernel
def tail_of(path, length):
    """The last WORD bytes of path[:length] in lower case, the last of them in the highest of the word."""
    tail = load64(path, length - WORD) if length >= WORD else load64(path, ZERO) << np.uint64(8 * (WORD - length))
    return lower(tail)


@inline_kernel
def find_rows(suffixes, tail):
    """The rows (first, after) of the suffixes that a name may have that ends in these WORD bytes."""
    ending = tail >> np.uint64(8 * (WORD - ENDING))
    slots = len(suffixes.endings)
    slot = np.int64((ending * suffixes.factor[0]) >> np.uint64(32)) & (slots - 1)
    group = slot if suffixes.endings[slot] == np.int64(ending) else slots + np.int64(tail >> np.uint64(56))
    return suffixes.groups[group, 0], suffixes.groups[group, 1]


@inline_kernel
def has_suffix(suffixes, row, tail, path, room, length):
    """True if the suffix in a row is the end of path[:length], whose last bytes are `tail`, and shorter than `room`."""
    start, width = suffixes.at[row, 0], suffixes.at[row, 1]
    matches = (tail & suffixes.tail[row, 1] == suffixes.tail[row, 0]) & (width < room)
    if width > WORD and matches:
        for j in range(width - WORD):
            byte = path[length - width + j]
            if 65 <= byte <= 90:
                byte += 32
            matches &= byte == suffixes.text[start + j]
    return matches


@inline_kernel
def add_filetypes(suffixes, directories, entry, path, parent, length, size):
    """Add a file to each filetype that has a suffix at the end of the base name path[parent + 1:length]."""
    tail = tail_of(path, length)
    first, after = find_rows(suffixes, tail)
    # Which files have a type cannot be predicted: adding 0 costs less than a wrong guess.
    matches = has_suffix(suffixes, first, tail, path, length - parent, length)
    filetype = suffixes.at[first, 2]
    add_sum(directories, entry, 1 + filetype, size & -np.uint64(matches), np.uint64(0))
    counted = filetype if matches else np.int64(-1)
    for i in range(first + 1, after):
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
    table, deep, suffixes = TableArrays(*arrays[:6]), DeepNames(*arrays[6:8]), Suffixes(*arrays[8:14])
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
