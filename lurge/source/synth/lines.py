"""The kernel that writes the lines of synthetic files in any era."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import compiled
from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET

ALPHABETS = np.stack([np.frombuffer(alphabet, np.uint8) for alphabet in (STANDARD_ALPHABET, SORTED_ALPHABET)])
QUOTED = 2
MAX_COLUMNS, TYPE_COLUMN = 12, 7
DIGITS_OF_A_NUMBER = 7
LONGEST_NUMBER = 20


class FileArrays(NamedTuple):
    """Synthetic files.

    place, number, suffix: int64[n]; the index of the file's prefix, its number after the prefix, the index of its
    suffix. columns: int64[n, MAX_COLUMNS], the numbers of a dump's line by column. The type is the code of its letter;
    the column of the path is not used.
    """

    place: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    suffix: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]


class Words(NamedTuple):
    """Texts in one array. text: uint8. at: int64[n + 1]. The i-th text is text[at[i]:at[i + 1]]."""

    text: npt.NDArray[np.uint8]
    at: npt.NDArray[np.int64]

    @classmethod
    def of(cls, words: list[bytes]) -> Words:
        at = np.zeros(len(words) + 1, np.int64)
        at[1:] = np.cumsum([len(word) for word in words])
        return cls(np.frombuffer(bytearray(b"".join(words)) or bytearray(1), np.uint8), at)


@compiled
def put_word(out, o, words, number):
    for i in range(words.at[number], words.at[number + 1]):
        out[o] = words.text[i]
        o += 1
    return o


@compiled
def put_number(out, o, value, digits):
    """Write a decimal number, padded with zeros to `digits` digits."""
    if value < 0:
        out[o] = 45
        o += 1
        value = -value
    length = digits
    reached = np.int64(10) ** digits
    while value >= reached and length < LONGEST_NUMBER - 1:
        length += 1
        reached *= 10
    for i in range(o + length - 1, o - 1, -1):
        out[i] = 48 + value % 10
        value //= 10
    return o + length


@compiled
def put_base64(alphabet, path, length, out, o):
    for i in range(0, length, 3):
        remaining = length - i
        bits = np.uint32(path[i]) << np.uint32(16)
        if remaining > 1:
            bits |= np.uint32(path[i + 1]) << np.uint32(8)
        if remaining > 2:
            bits |= np.uint32(path[i + 2])
        out[o] = alphabet[bits >> np.uint32(18)]
        out[o + 1] = alphabet[(bits >> np.uint32(12)) & np.uint32(63)]
        out[o + 2] = alphabet[(bits >> np.uint32(6)) & np.uint32(63)] if remaining > 1 else 61
        out[o + 3] = alphabet[bits & np.uint32(63)] if remaining > 2 else 61
        o += 4
    return o


@compiled
def write_lines(encoding, columns, places, suffixes, files, path, out, ends):
    """Write a line for each file into `out`, which must be long enough. Files must be in the order of their places.

    places: the prefixes of paths, already quoted if encoding is QUOTED. path: uint8, scratch space for one path. ends:
    int64[places], output: the position in `out` at which the lines of each place end.
    """
    o = 0
    for i in range(len(files.place)):
        if encoding == QUOTED:
            out[o] = 34
            o = put_word(out, o + 1, places, files.place[i])
            o = put_number(out, o, files.number[i], DIGITS_OF_A_NUMBER)
            o = put_word(out, o, suffixes, files.suffix[i])
            out[o] = 34
            o += 1
        else:
            length = put_word(path, 0, places, files.place[i])
            length = put_number(path, length, files.number[i], DIGITS_OF_A_NUMBER)
            length = put_word(path, length, suffixes, files.suffix[i])
            o = put_base64(ALPHABETS[encoding], path, length, out, o)
        for column in range(1, columns):
            out[o] = 9
            o += 1
            if column == TYPE_COLUMN:
                out[o] = files.columns[i, column]
                o += 1
            else:
                o = put_number(out, o, files.columns[i, column], 1)
        out[o] = 10
        o += 1
        ends[files.place[i]] = o
