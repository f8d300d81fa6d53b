"""The kernels that write each record as TreeServe reads it, and gather these lines by group.

The lines have 11 columns, paths in standard base64, directories without a trailing `/` (docs/formats.md).
"""

from __future__ import annotations

import numpy as np

from lurge.kernels import record
from lurge.kernels.columns import APPARENT
from lurge.kernels.compiling import compiled, inline_kernel
from lurge.kernels.newlines import end_of_line
from lurge.kernels.parse import DIRECTORY
from lurge.model.era import STANDARD_ALPHABET

ALPHABET = np.frombuffer(STANDARD_ALPHABET, np.uint8)
PADDING = ord("=")
GROUP, START, END, IS_DIRECTORY = range(4)
"""Columns of `lines`."""


@compiled
def write_base64(paths, start, length, out, at):
    """Write paths[start:start + length] at out[at:]; returns where it ends."""
    path = paths[start:]
    for i in range(0, length - length % 3, 3):
        bits = np.int64(path[i]) << 16 | np.int64(path[i + 1]) << 8 | np.int64(path[i + 2])
        out[at] = ALPHABET[bits >> 18]
        out[at + 1] = ALPHABET[bits >> 12 & 63]
        out[at + 2] = ALPHABET[bits >> 6 & 63]
        out[at + 3] = ALPHABET[bits & 63]
        at += 4
    rest = length % 3
    if rest:
        bits = np.int64(path[length - rest]) << 16
        if rest == 2:
            bits |= np.int64(path[length - 1]) << 8
        out[at] = ALPHABET[bits >> 18]
        out[at + 1] = ALPHABET[bits >> 12 & 63]
        out[at + 2] = ALPHABET[bits >> 6 & 63] if rest == 2 else PADDING
        out[at + 3] = PADDING
        at += 4
    return at


@inline_kernel
def copy(text, start, end, out, at):
    """Copy text[start:end] to out[at:]; returns where it ends. In this form the compiler copies many bytes at once."""
    for i in range(end - start):
        out[at + i] = text[start + i]
    return at + end - start


@compiled
def write_records(columns, fields, count, paths, text, lines, first, out, at):
    """Write the lines of `count` records at out[at:]; returns where they end.

    columns: of the dump. lines: int64[at least first + count, 4], of which the rows from `first` on are filled with the
    group of each record, where its line starts and ends in `out`, and whether it is a directory.
    """
    for i in range(count):
        row = first + i
        lines[row, GROUP] = fields[record.GROUP, i]
        lines[row, START] = at
        lines[row, IS_DIRECTORY] = fields[record.KIND, i] == DIRECTORY
        start = fields[record.TEXT_START, i]
        end = end_of_line(text, start)
        while text[start] != 9:
            start += 1
        if columns > APPARENT:
            end -= 1
            while text[end] != 9:
                end -= 1
        at = write_base64(paths, fields[record.START, i], fields[record.LENGTH, i], out, at)
        at = copy(text, start, end, out, at)
        out[at] = 10
        at += 1
        lines[row, END] = at
    return at


@compiled
def gather(lines, order, text, out):
    """Copy the lines in `order` one after another."""
    at = 0
    for number in order:
        at = copy(text, lines[number, START], lines[number, END], out, at)
