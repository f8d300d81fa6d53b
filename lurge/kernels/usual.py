"""Reading lines in the form that wrstat writes, with wide loads and as little decoding as possible.

Anything unusual (an escape in a path, a negative time, a number of many digits, the last lines of a buffer, a malformed
field) is left to `parse.read_fields`, which reads every line and says what is wrong with it.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.columns import ATIME, CTIME, GID, MTIME, NLINK, PATH, SIZE, TYPE, UID
from lurge.kernels.compiling import ZERO, inline_kernel
from lurge.kernels.decode import BASE64_VALUES, TYPES
from lurge.kernels.wide import (
    DIGITS_SEEN,
    VECTOR,
    bits_above,
    copy_vector,
    differ_mask,
    equal_mask,
    first_bit,
    load64,
    other_than_digits,
    store32,
)
from lurge.model.era import Encoding
from lurge.model.report import LONGEST_LINE

UNUSUAL = np.int64(-1)
TEXT_START, TEXT_KEPT, PATH_START, BYTES_SHARED, PARENT = range(5)
"""Of `last`: where the text of the path of the line before begins (-1 if nothing of it may be used), how many bytes
of it are decoded one for one (quoted) or four for three (base64), where that path begins in `paths`, how many bytes of
this line's path are the same, and the length of its directory's path."""

NOTHING = np.int64(-1)


def end_of(column: int) -> int:
    """The place in `ends` of a field's end: one further from the type on, whose letter has a place of its own."""
    return column + (column >= TYPE)


SIZE_END, UID_END, GID_END, ATIME_END, MTIME_END, CTIME_END = map(end_of, (SIZE, UID, GID, ATIME, MTIME, CTIME))
TYPE_LETTER, TYPE_END, NLINK_END = TYPE, end_of(TYPE), end_of(NLINK)

QUOTED = int(Encoding.QUOTED)
DIRECTORY = np.uint8(ord("d"))
TAB, NEWLINE, QUOTE, SLASH, BACKSLASH, PADDING = (np.uint8(ord(byte)) for byte in '\t\n"/\\=')
LONGEST = np.int64(LONGEST_LINE)
WINDOW = np.int64(2 * DIGITS_SEEN)
"""How far behind the path a usual line ends."""

MOST_DIGITS = np.array([0, 16, 8, 8, *[16] * 3, 1, 1, 19, 8, 19, 16], np.int64)
"""Of the fields that end at each of `ends`: so few that each number is in range and read at once."""

FEWEST_BEFORE = np.int64(16)
"""Bytes that `read_sixteen` may look at before a number's first."""

INVALID = np.uint32(0xFF000000)
INVALID_FROM = np.uint32(0x01000000)

LOW_HALVES = np.uint64(0x0F0F0F0F0F0F0F0F)
PAIRS = np.uint64(0x00FF00FF00FF00FF)
FOURS = np.uint64(0x0000FFFF0000FFFF)


def _quad_tables() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint32]]:
    """uint32[2, 4, 256]: what each byte at each place of four gives to the three it stands for, lowest byte first."""
    tables = np.full((2, 4, 256), INVALID, np.uint32)
    for alphabet in range(2):
        for byte in range(256):
            value = int(BASE64_VALUES[alphabet, byte])
            if value < 64:
                shares = (value << 2, value >> 4 | (value & 15) << 12, value >> 2 << 8 | (value & 3) << 22, value << 16)
                tables[alphabet, :, byte] = shares
    return tables


QUADS = _quad_tables()


@inline_kernel
def read_eight(buffer, end, digits):
    """The number in the `digits` (1 to 8) digits before buffer[end]; eight bytes before it must exist."""
    word = load64(buffer, end - 8) & (LOW_HALVES << np.uint64(64 - 8 * digits))
    word = (word * np.uint64(10 * 2**8 + 1)) >> np.uint64(8)
    word = ((word & PAIRS) * np.uint64(100 * 2**16 + 1)) >> np.uint64(16)
    return ((word & FOURS) * np.uint64(10000 * 2**32 + 1)) >> np.uint64(32)


@inline_kernel
def read_sixteen(buffer, end, digits):
    """The number in the `digits` (1 to 16) digits before buffer[end]; sixteen bytes before it must exist."""
    low = read_eight(buffer, end, min(digits, np.int64(8)))
    high = read_eight(buffer, end - 8, max(digits - 8, np.int64(1)))
    return low + (high * np.uint64(100_000_000) if digits > 8 else np.uint64(0))


@inline_kernel
def read_number(buffer, ends, field):
    """The number in a usual line's field, which is one that `read_sixteen` reads."""
    return read_sixteen(buffer, ends[field], ends[field] - ends[field - 1] - 1)


@inline_kernel
def read_small(buffer, ends, field):
    """The number in a usual line's field, which is one that `read_eight` reads."""
    return read_eight(buffer, ends[field], ends[field] - ends[field - 1] - 1)


@inline_kernel
def find_ends(columns, buffer, ends):
    """Fill `ends` but the first with the next `columns` places behind the first that hold no digit.

    WINDOW + 1 bytes must exist behind the first. Where there are fewer places, the last is the one behind the window.
    """
    first = ends[PATH] + 1
    word = other_than_digits(buffer, first)
    rest = other_than_digits(buffer, first + DIGITS_SEEN)
    for i in range(1, columns + 1):
        if word == 0:
            word, rest, first = rest, np.uint64(0), ends[PATH] + 1 + DIGITS_SEEN
        ends[i] = first + np.int64(first_bit(word))
        word &= word - np.uint64(1)


@inline_kernel
def has_usual_fields(columns, buffer, ends):
    """Check that the fields between `ends`, except the type, are numbers of so few digits that each is in range."""
    letter = ends[TYPE_LETTER]
    good = (letter == ends[CTIME_END] + 1) & (ends[TYPE_END] == letter + 1) & TYPES[buffer[letter]]
    good &= buffer[ends[columns]] == NEWLINE
    for i in range(1, columns + 1):
        width = ends[i] - ends[i - 1] - 1
        good &= (width > 0) | (i == TYPE_LETTER) | (i == TYPE_END)
        good &= (width <= MOST_DIGITS[i]) & ((buffer[ends[i]] == TAB) | (i == TYPE_LETTER) | (i == columns))
    return good


@inline_kernel
def end_of_base64(buffer, start):
    """The place of the TAB behind the path that begins at buffer[start]; UNUSUAL if it is too near the buffer's end."""
    while start + VECTOR <= len(buffer):
        tabs = equal_mask(buffer, start, TAB)
        if tabs:
            return start + np.int64(first_bit(tabs))
        start += VECTOR
    return UNUSUAL


@inline_kernel
def end_of_quoted(buffer, start):
    """The place of the TAB behind the path whose rest is buffer[start:]; UNUSUAL if the path has an escape."""
    while start + VECTOR < len(buffer):
        marks = equal_mask(buffer, start, QUOTE) | equal_mask(buffer, start, BACKSLASH)
        marks |= equal_mask(buffer, start, TAB) | equal_mask(buffer, start, NEWLINE)
        if marks:
            start += np.int64(first_bit(marks))
            return start + 1 if buffer[start] == QUOTE and buffer[start + 1] == TAB else UNUSUAL
        start += VECTOR
    return UNUSUAL


@inline_kernel
def count_shared(buffer, start, last):
    """Number of bytes that the text at buffer[start] shares with the decoded text of the path before."""
    before = last[TEXT_START]
    kept = last[TEXT_KEPT] if before >= 0 else ZERO
    shared = ZERO
    while shared < kept and start + shared + VECTOR <= len(buffer):
        differ = differ_mask(buffer, before + shared, buffer, start + shared)
        if differ:
            return min(shared + np.int64(first_bit(differ)), kept)
        shared += VECTOR
    return min(shared, kept)


@inline_kernel
def decode_quads(encoding, buffer, start, end, shared, path):
    """Decode base64 in buffer[start:end] into path, of which `shared` bytes of text are there; returns its length.

    UNUSUAL if it is malformed.
    """
    text = end - start
    if text < 4 or text % 4:
        return UNUSUAL
    quads = text // 4 - 1
    first, second, third, fourth = QUADS[encoding, 0], QUADS[encoding, 1], QUADS[encoding, 2], QUADS[encoding, 3]
    bad = np.uint32(0)
    for i in range(min(shared // 4, quads), quads):
        at = start + 4 * i
        word = first[buffer[at]] | second[buffer[at + 1]] | third[buffer[at + 2]] | fourth[buffer[at + 3]]
        bad |= word
        store32(path, 3 * i, word)
    at = end - 4
    padding = np.int64(buffer[at + 3] == PADDING) + np.int64(buffer[at + 3] == PADDING and buffer[at + 2] == PADDING)
    word = first[buffer[at]] | second[buffer[at + 1]]
    if padding < 2:
        word |= third[buffer[at + 2]]
    if padding < 1:
        word |= fourth[buffer[at + 3]]
    store32(path, 3 * quads, word)
    return 3 * quads + 3 - padding if (bad | word) < INVALID_FROM else UNUSUAL


@inline_kernel
def copy_bytes(target, to, source, at, length):
    """target[to:to + length] = source[at:at + length], and up to VECTOR - 1 bytes more."""
    done = ZERO
    while done < length:
        copy_vector(target, to + done, source, at + done)
        done += VECTOR


@inline_kernel
def last_slash(paths, at, length):
    """The place of the last slash in the path paths[at:at + length], counted from `at`; the path must have one."""
    end = length
    while True:
        start = max(end - VECTOR, ZERO)
        slashes = equal_mask(paths, at + start, SLASH) & ((np.uint64(1) << np.uint64(end - start)) - np.uint64(1))
        if slashes:
            return start + 63 - np.int64(bits_above(slashes))
        end = start


@inline_kernel
def read_usual(encoding, columns, buffer, start, last, ends, paths, at):
    """Read the line at buffer[start] if it is a usual one, its path into paths[at:].

    Fills `ends`, and `last`, which must say of the line before what it said then, or TEXT_START -1. Returns the path's
    length, a directory's without its trailing slash, or UNUSUAL.
    """
    shared = count_shared(buffer, start, last)
    last[TEXT_START] = NOTHING
    if encoding == QUOTED:
        end = end_of_quoted(buffer, start + max(shared, 1)) if buffer[start] == QUOTE else UNUSUAL
    else:
        end = end_of_base64(buffer, start + shared)
    if end < FEWEST_BEFORE or end + 1 + WINDOW >= len(buffer):
        return UNUSUAL
    ends[PATH] = end
    find_ends(columns, buffer, ends)
    if not has_usual_fields(columns, buffer, ends) or ends[columns] - start > LONGEST:
        return UNUSUAL
    if encoding == QUOTED:
        # The text is looked at instead of the path: what was just stored is slow to load.
        length = end - start - 2
        if length < 1 or buffer[start + 1] != SLASH:
            return UNUSUAL
        if buffer[ends[TYPE_LETTER]] == DIRECTORY and length > 1 and buffer[start + length] == SLASH:
            length -= 1
        copy_bytes(paths, at, buffer, start + 1, length)
        last[PARENT] = last_slash(buffer, start + 1, length)
        kept = end - start - 1
        same = max(shared - 1, 0)
    else:
        same = shared // 4 * 3
        copy_bytes(paths, at, paths, last[PATH_START], same)
        length = decode_quads(encoding, buffer, start, end, shared, paths[at:])
        if length < 1 or paths[at] != SLASH:
            return UNUSUAL
        if buffer[ends[TYPE_LETTER]] == DIRECTORY and length > 1 and paths[at + length - 1] == SLASH:
            length -= 1
        last[PARENT] = last_slash(paths, at, length)
        kept = end - start - 4
    last[TEXT_START] = start
    last[TEXT_KEPT] = kept
    last[PATH_START] = at
    last[BYTES_SHARED] = same
    return length
