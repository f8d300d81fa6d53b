"""The kernel that finds the filetypes of a name by its suffixes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import ZERO, inline_kernel, internal_kernel
from lurge.kernels.wide import FACTOR, first_bit, load64

WORD = 8
ENDING = 4
"""The last bytes of a name by which its suffixes are looked up."""

DOT = 46
DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
LOWEST_BITS, HIGHEST_BITS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
ENDING_BIT = np.uint64(1 << 8 * (WORD - ENDING))
KNOWN = 2048
KNOWN_SHIFT = np.uint64(53)
IS_DOTTED = 2
EXTENSION, FILETYPE, HAS_MORE = range(3)
"""Columns of what is known of extensions. The filetype is NONE if there is none, UNKNOWN if the row is empty."""

NONE, UNKNOWN = np.int64(-1), np.int64(-2)


class Suffixes(NamedTuple):
    """The suffixes of all filetypes in lower case, in groups of at least one, within each sorted by filetype.

    text: uint8. at: int64[n, 3], start in text, length, filetype. tail: uint64[n, 2], the last bytes of each, up to
    WORD of them, in the highest of a word, and which of the word they are. endings: int64[power of two], a hash table
    without collisions of the endings of longer suffixes, as numbers, -1 if empty; the slot of each is in the upper half
    of its product with `factor`, uint64[1]. groups: int64[slots + 256, 3], the rows (first, after) of the suffixes that
    a name with the ending in a slot may have, and, for other endings, by their last byte; and in column IS_DOTTED 1 if
    each of them begins with a dot and is not longer than a word: then an extension tells which of them a name has.
    known: int64[KNOWN, 3], scratch, in which every filetype is UNKNOWN at first.
    """

    text: npt.NDArray[np.uint8]
    at: npt.NDArray[np.int64]
    tail: npt.NDArray[np.uint64]
    endings: npt.NDArray[np.int64]
    factor: npt.NDArray[np.uint64]
    groups: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]


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
def find_group(suffixes, tail):
    """The group of the suffixes that a name may have that ends in these WORD bytes."""
    ending = tail >> np.uint64(8 * (WORD - ENDING))
    slots = len(suffixes.endings)
    slot = np.int64((ending * suffixes.factor[0]) >> np.uint64(32)) & (slots - 1)
    return slot if suffixes.endings[slot] == np.int64(ending) else slots + np.int64(tail >> np.uint64(56))


@inline_kernel
def extension_of(tail):
    """The end of a name from the first dot in its last WORD bytes on, but at least the last ENDING bytes.

    All before it is 0. It tells which suffixes the name has that begin with a dot and are not longer than a word.
    """
    differ = tail ^ DOTS
    dots = (differ - LOWEST_BITS) & ~differ & HIGHEST_BITS | ENDING_BIT
    return tail & ~np.uint64(0) << (first_bit(dots) & ~np.uint64(7))


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


@internal_kernel
def find_filetype(suffixes, group, tail, path, parent, length):
    """The first filetype that has a suffix at the end of path[parent + 1:length]; and 1 if another one has one, too."""
    filetype = NONE
    for i in range(suffixes.groups[group, 0], suffixes.groups[group, 1]):
        if suffixes.at[i, 2] != filetype and has_suffix(suffixes, i, tail, path, length - parent, length):
            if filetype != NONE:
                return filetype, np.int64(1)
            filetype = suffixes.at[i, 2]
    return filetype, np.int64(0)


@inline_kernel
def filetype_of(suffixes, tail, path, parent, length):
    """As `find_filetype`, but what an extension tells is looked up only once. tail: the last bytes of the name."""
    extension = extension_of(tail)
    known = suffixes.known[np.int64(extension * FACTOR >> KNOWN_SHIFT)]
    if known[FILETYPE] != UNKNOWN and np.uint64(known[EXTENSION]) == extension:
        return known[FILETYPE], known[HAS_MORE]
    group = find_group(suffixes, tail)
    filetype, has_more = find_filetype(suffixes, group, tail, path, parent, length)
    if suffixes.groups[group, IS_DOTTED]:
        known[EXTENSION], known[FILETYPE], known[HAS_MORE] = extension, filetype, has_more
    return filetype, has_more
