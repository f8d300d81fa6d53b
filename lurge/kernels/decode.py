"""Kernels that read the fields of a line: numbers and paths. Their plain twins are in `aggregate.plain`."""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import ZERO, inline_kernel, internal_kernel
from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET, VAULT_ALPHABET

BAD = 255
VAULT = np.int64(2)
"""The row of BASE64_VALUES for vault keys; the other rows are numbered as era.Encoding."""


def _reverse(alphabet: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    values = np.full(256, BAD, np.uint8)
    values[np.frombuffer(alphabet, np.uint8)] = np.arange(64, dtype=np.uint8)
    return values


BASE64_VALUES = np.stack([_reverse(STANDARD_ALPHABET), _reverse(SORTED_ALPHABET), _reverse(VAULT_ALPHABET)])
"""uint8[3, 256]: the value of each byte in the standard, the sorted and the vault alphabet; 255 for none."""

TYPES = np.zeros(256, np.bool_)
TYPES[np.frombuffer(b"fdlsbcFX", np.uint8)] = True
"""bool[256]: the letters that a dump has for what an entry is."""

UINT64_TENTH = np.uint64(2**64 - 1) // np.uint64(10)


@inline_kernel
def read_unsigned(buffer, start, end):
    """Decimal digits in buffer[start:end] as (uint64 value, whether it is one that fits 64 bits)."""
    digits = buffer[start:end]
    value = np.uint64(0)
    if len(digits) == 0:
        return value, False
    good = True
    if len(digits) <= 19:
        for i in range(len(digits)):
            digit = digits[i] - np.uint8(48)
            good = good and digit <= 9
            value = value * np.uint64(10) + np.uint64(digit)
        return value, good
    for i in range(len(digits)):
        digit = digits[i] - np.uint8(48)
        grown = value * np.uint64(10) + np.uint64(digit)
        if digit > 9 or value > UINT64_TENTH or grown < np.uint64(digit):
            return value, False
        value = grown
    return value, True


@internal_kernel
def decode_base64(alphabet, buffer, start, end, out, at):
    """Padded base64 into out[at:]; returns the number of bytes, -1 if it is malformed.

    alphabet: the row of BASE64_VALUES.
    """
    values = BASE64_VALUES[alphabet]
    text = buffer[start:end]
    decoded = out[at:]
    if len(text) % 4 != 0:
        return -1
    if len(text) == 0:
        return 0
    padding = 0
    if text[len(text) - 1] == 61:
        padding = 2 if text[len(text) - 2] == 61 else 1
    quads = len(text) // 4 - (1 if padding else 0)
    bad = np.uint8(0)
    for i in range(quads):
        a = values[text[4 * i]]
        b = values[text[4 * i + 1]]
        c = values[text[4 * i + 2]]
        d = values[text[4 * i + 3]]
        bad |= a | b | c | d
        bits = (
            np.uint32(a) << np.uint32(18) | np.uint32(b) << np.uint32(12) | np.uint32(c) << np.uint32(6) | np.uint32(d)
        )
        decoded[3 * i] = np.uint8(bits >> np.uint32(16))
        decoded[3 * i + 1] = np.uint8((bits >> np.uint32(8)) & np.uint32(255))
        decoded[3 * i + 2] = np.uint8(bits & np.uint32(255))
    length = 3 * quads
    if padding:
        a = values[text[4 * quads]]
        b = values[text[4 * quads + 1]]
        c = values[text[4 * quads + 2]] if padding == 1 else np.uint8(0)
        bad |= a | b | c
        bits = np.uint32(a) << np.uint32(18) | np.uint32(b) << np.uint32(12) | np.uint32(c) << np.uint32(6)
        decoded[length] = np.uint8(bits >> np.uint32(16))
        if padding == 1:
            decoded[length + 1] = np.uint8((bits >> np.uint32(8)) & np.uint32(255))
        length += 3 - padding
    return length if bad < 64 else -1


@inline_kernel
def hex_value(byte):
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102:
        return byte - 87
    if 65 <= byte <= 70:
        return byte - 55
    return -1


@internal_kernel
def read_hex(buffer, start, end):
    """The value of the hexadecimal digits in buffer[start:end] (at most 8), -1 if one is not a digit."""
    value = 0
    for i in range(start, end):
        digit = hex_value(np.int64(buffer[i]))
        if digit < 0:
            return -1
        value = value << 4 | digit
    return value


@internal_kernel
def write_rune(rune, out, at):
    """The UTF-8 of a Unicode code point into out[at:]; returns its length, -1 if it is not a code point."""
    if rune < 0x80:
        out[at] = rune
        return 1
    if rune < 0x800:
        out[at] = 0xC0 | rune >> 6
        out[at + 1] = 0x80 | rune & 0x3F
        return 2
    if 0xD800 <= rune < 0xE000 or rune > 0x10FFFF:
        return -1
    if rune < 0x10000:
        out[at] = 0xE0 | rune >> 12
        out[at + 1] = 0x80 | rune >> 6 & 0x3F
        out[at + 2] = 0x80 | rune & 0x3F
        return 3
    out[at] = 0xF0 | rune >> 18
    out[at + 1] = 0x80 | rune >> 12 & 0x3F
    out[at + 2] = 0x80 | rune >> 6 & 0x3F
    out[at + 3] = 0x80 | rune & 0x3F
    return 4


@inline_kernel
def simple_escape(byte):
    r"""The byte that a backslash and `byte` stand for: one of a b f n r t v \ "; -1 for none."""
    if byte == 110:
        return 10
    if byte == 116:
        return 9
    if byte == 92 or byte == 34:
        return byte
    if byte == 97:
        return 7
    if byte == 98:
        return 8
    if byte == 102:
        return 12
    if byte == 114:
        return 13
    if byte == 118:
        return 11
    return -1


@internal_kernel
def decode_quoted(buffer, start, end, out, at):
    """A path in the form of Go's %q into out[at:]; returns the number of bytes, -1 if it is malformed."""
    if end - start < 2 or buffer[start] != 34 or buffer[end - 1] != 34:
        return -1
    i = start + 1
    last = end - 1
    o = at
    while i < last:
        byte = buffer[i]
        if byte == 34:
            return -1
        if byte != 92:
            out[o] = byte
            o += 1
            i += 1
            continue
        if i + 1 >= last:
            return -1
        kind = np.int64(buffer[i + 1])
        escape = simple_escape(kind)
        if escape >= 0:
            out[o] = escape
            o += 1
            i += 2
            continue
        digits = 2 if kind == 120 else 4 if kind == 117 else 8 if kind == 85 else 0
        if digits == 0 or i + 2 + digits > last:
            return -1
        value = read_hex(buffer, i + 2, i + 2 + digits)
        if value < 0:
            return -1
        if digits == 2:
            out[o] = value
            written = 1
        else:
            written = write_rune(value, out, o)
            if written < 0:
                return -1
        o += written
        i += 2 + digits
    return o - at


@inline_kernel
def decode_path(encoding, buffer, start, end, out):
    """A path in the dump's encoding (era.Encoding) into out; returns its length, -1 if it is malformed.

    out must hold as many bytes as the encoded path. A path that is not absolute counts as malformed.
    """
    if encoding == 2:
        length = decode_quoted(buffer, start, end, out, ZERO)
    else:
        length = decode_base64(encoding, buffer, start, end, out, ZERO)
    if length < 1 or out[0] != 47:
        return -1
    return length
