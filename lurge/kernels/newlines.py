"""The kernels that find the ends of lines."""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import compiled, internal_kernel
from lurge.kernels.wide import VECTOR, bits_set, equal_mask, first_bit

NEWLINE = np.uint8(10)


@compiled
def count_newlines(text):
    count = np.uint64(0)
    i = 0
    while i + VECTOR <= len(text):
        count += bits_set(equal_mask(text, i, NEWLINE))
        i += VECTOR
    while i < len(text):
        count += np.uint64(text[i] == NEWLINE)
        i += 1
    return np.int64(count)


@internal_kernel
def end_of_line(text, start):
    """The place of the first newline in text[start:], or the length of text."""
    while start + VECTOR <= len(text):
        newlines = equal_mask(text, start, NEWLINE)
        if newlines:
            return start + np.int64(first_bit(newlines))
        start += VECTOR
    while start < len(text) and text[start] != NEWLINE:
        start += 1
    return start


@compiled
def end_without(text, lines):
    """The end of text without its last `lines` newlines and all behind the newline before them; 0 without that one."""
    i = len(text)
    while i > 0:
        if text[i - 1] == NEWLINE:
            if lines == 0:
                return i
            lines -= 1
        i -= 1
    return 0


@compiled
def end_of_lines(text, start, lines):
    """The end of `lines` lines that begin at text[start]."""
    while start + VECTOR <= len(text):
        ended = np.int64(bits_set(equal_mask(text, start, NEWLINE)))
        if ended >= lines:
            break
        lines -= ended
        start += VECTOR
    while lines > 0:
        lines -= text[start] == NEWLINE
        start += 1
    return start
