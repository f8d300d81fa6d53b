"""The kernel that writes the lines of made-up files in any era."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import compiled
from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET

ALPHABETS = np.stack([np.frombuffer(alphabet, np.uint8) for alphabet in (STANDARD_ALPHABET, SORTED_ALPHABET)])
QUOTED = 2
MOST_COLUMNS, TYPE_COLUMN = 12, 7
DIGITS_OF_A_NUMBER = 7
LONGEST_NUMBER = 20


class FileArrays(NamedTuple):
    """Made-up files.

    place, number, suffix: int64[n], which directory, the file's number in it, which of the suffixes. columns:
    int64[n, MOST_COLUMNS], the numbers of a dump's line by column; the type as its letter's code, the path's unused.
    """

    place: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    suffix: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]


class Words(NamedTuple):
    """Texts in one array: text uint8, at int64[n + 1]; the i-th is text[at[i]:at[i + 1]]."""

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
    """A decimal number of at least so many digits."""
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
        left = length - i
        bits = np.uint32(path[i]) << np.uint32(16)
        if left > 1:
            bits |= np.uint32(path[i + 1]) << np.uint32(8)
        if left > 2:
            bits |= np.uint32(path[i + 2])
        out[o] = alphabet[bits >> np.uint32(18)]
        out[o + 1] = alphabet[(bits >> np.uint32(12)) & np.uint32(63)]
        out[o + 2] = alphabet[(bits >> np.uint32(6)) & np.uint32(63)] if left > 1 else 61
        out[o + 3] = alphabet[bits & np.uint32(63)] if left > 2 else 61
        o += 4
    return o


@compiled
def write_lines(encoding, columns, places, suffixes, files, path, out, ends):
    """Write a line for each of `files`, which are in the order of their places, into out, which must be long enough.

    places: what each file's path begins with, already quoted where encoding is QUOTED. path: uint8 scratch. ends:
    int64[places], becomes where the lines of each place end in out.
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
