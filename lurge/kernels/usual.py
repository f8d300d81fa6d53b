"""Reading lines in the form that wrstat writes, with wide loads and as little decoding as possible.

Anything unusual (an escape in a path, a negative time, a number of many digits, the last lines of a buffer, a malformed
field) is left to `parse.read_fields`, which reads every line and says what is wrong with it.
"""

from __future__ import annotations

import numpy as np

from lurge.kernels.columns import DUMP_COLUMNS
from lurge.kernels.compiling import ZERO, inline_kernel
from lurge.kernels.decode import TYPES
from lurge.kernels.wide import (
    VECTOR,
    copy_vector,
    decode_vector,
    digits_before,
    equal_before,
    equal_mask,
    first_bit,
    load64,
)
from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET, Encoding

UNUSUAL = np.int64(-1)

STANDARD, QUOTED = int(Encoding.STANDARD), int(Encoding.QUOTED)
TAB, QUOTE, SLASH, BACKSLASH, PADDING = (np.uint8(ord(byte)) for byte in '\t"/\\=')
FIELDS_WINDOW = np.int64(2 * VECTOR + 16)
"""The longest that a usual line's fields behind the path may be."""

LOW_HALVES = np.uint64(0x0F0F0F0F0F0F0F0F)
PAIRS = np.uint64(0x00FF00FF00FF00FF)
FOURS = np.uint64(0x0000FFFF0000FFFF)
ONE_BIT, ALL_BITS = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)


def _offsets(alphabet: bytes) -> tuple[np.uint8, np.uint8, np.uint8, np.uint8, np.uint8]:
    """The differences between values and bytes of an alphabet, as `decode_vector` takes them."""
    capital, small, digit, plus, slash = (np.uint8((alphabet.index(byte) - byte) % 256) for byte in b"Aa0+/")
    return capital, small, digit, plus, slash


STANDARD_OFFSETS, SORTED_OFFSETS = _offsets(STANDARD_ALPHABET), _offsets(SORTED_ALPHABET)


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
def next_place(places):
    """The lowest set bit of a uint64 (64 if none is set), and the word without it."""
    return np.int64(first_bit(places)), places & (places - ONE_BIT)


@inline_kernel
def is_width(start, end, most):
    """True if a field has 1 to `most` bytes. start, end: the places of the separators, counted backwards."""
    return np.uint64(start - end - 2) < np.uint64(most)


@inline_kernel
def read_usual_fields(columns, buffer, end):
    """The fields of the line that ends at buffer[end], before which FIELDS_WINDOW bytes must exist.

    Returns (is it usual, the path's end, type, size, uid, gid, mtime, atime, nlink). It is usual if the fields behind
    the path, except the type, are numbers of so few digits that each is in range and can be read at once, and if those
    from the type on and those before it are each at most VECTOR - 1 bytes.
    """
    places = ~digits_before(buffer, end) & ~ONE_BIT
    letter = np.int64(first_bit(places & ~equal_before(buffer, end, TAB)))
    last = ZERO
    good = True
    if columns == DUMP_COLUMNS:
        last, places = next_place(places)
        good = is_width(last, ZERO, 16)
    device, places = next_place(places)
    nlink, places = next_place(places)
    inode, places = next_place(places)
    letter_here, places = next_place(places)
    kind = np.int64(first_bit(places))
    good &= is_width(device, last, 19) & is_width(nlink, device, 8) & is_width(inode, nlink, 19)
    middle = end - kind
    good &= (letter == letter_here) & (letter == inode + 1) & (kind == letter + 1) & (kind < VECTOR)
    good &= buffer[middle] == TAB
    places = ~digits_before(buffer, middle) & ~ONE_BIT
    other = np.int64(first_bit(places & ~equal_before(buffer, middle, TAB)))
    ctime, places = next_place(places)
    mtime, places = next_place(places)
    atime, places = next_place(places)
    gid, places = next_place(places)
    uid, places = next_place(places)
    size = np.int64(first_bit(places))
    good &= is_width(ctime, ZERO, 16) & is_width(mtime, ctime, 16) & is_width(atime, mtime, 16)
    good &= is_width(gid, atime, 8) & is_width(uid, gid, 8) & is_width(size, uid, 16)
    good &= (size < VECTOR) & (other > size)
    type_letter = buffer[end - letter]
    return (
        good and TYPES[type_letter],
        middle - size,
        np.int64(type_letter),
        np.int64(read_sixteen(buffer, middle - uid, size - uid - 1)),
        np.int64(read_eight(buffer, middle - gid, uid - gid - 1)),
        np.int64(read_eight(buffer, middle - atime, gid - atime - 1)),
        np.int64(read_sixteen(buffer, middle - ctime, mtime - ctime - 1)),
        np.int64(read_sixteen(buffer, middle - mtime, atime - mtime - 1)),
        read_eight(buffer, end - device, nlink - device - 1),
    )


@inline_kernel
def read_quoted(buffer, start, end, paths, at):
    """Copy the quoted path in buffer[start:end] to paths[at:]; returns its length, or UNUSUAL if it has an escape."""
    length = end - start - 2
    if length < 1 or buffer[start] != QUOTE or buffer[end - 1] != QUOTE or buffer[start + 1] != SLASH:
        return UNUSUAL
    done = ZERO
    while True:
        if start + 1 + done + VECTOR > len(buffer):
            return UNUSUAL
        copy_vector(paths, at + done, buffer, start + 1 + done)
        marks = equal_mask(buffer, start + 1 + done, QUOTE) | equal_mask(buffer, start + 1 + done, BACKSLASH)
        marks |= equal_mask(buffer, start + 1 + done, TAB)
        if marks:
            return length if done + np.int64(first_bit(marks)) == length else UNUSUAL
        done += VECTOR


@inline_kernel
def read_base64(offsets, buffer, start, end, paths, at):
    """Decode the path in buffer[start:end] to paths[at:]; returns its length, or UNUSUAL if it is malformed."""
    text = end - start
    if text < 4 or text % 4:
        return UNUSUAL
    padding = np.int64(buffer[end - 1] == PADDING) + np.int64(buffer[end - 1] == PADDING and buffer[end - 2] == PADDING)
    unknown = np.uint64(0)
    done = ZERO
    while done < text:
        if start + done + VECTOR > len(buffer):
            return UNUSUAL
        unknown_here = decode_vector(paths, at + done // 4 * 3, buffer, start + done, offsets)
        unknown |= unknown_here & lowest_bits(text - padding - done)
        done += VECTOR
    return text // 4 * 3 - padding if unknown == 0 and paths[at] == SLASH else UNUSUAL


@inline_kernel
def lowest_bits(count):
    """A mask of the `count` (at least 1) lowest bits; of all bits if there are fewer."""
    return ALL_BITS >> np.uint64(VECTOR - min(count, VECTOR))


@inline_kernel
def read_path(encoding, buffer, start, end, paths, at):
    """Read the path in buffer[start:end] into paths[at:]; returns its length, or UNUSUAL if it is not a usual one."""
    if encoding == QUOTED:
        return read_quoted(buffer, start, end, paths, at)
    return read_base64(STANDARD_OFFSETS if encoding == STANDARD else SORTED_OFFSETS, buffer, start, end, paths, at)
