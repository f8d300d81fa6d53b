"""The lines of each group, as TreeServe reads them: 11 columns, paths in standard base64, directories without `/`.

Format: docs/formats.md. The kernel writes all lines of a batch in one pass, then gathers them group by group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lurge.aggregate.kernel import (
    DIRECTORY,
    GID,
    GOOD,
    KIND,
    PATH_LENGTH,
    line_scratch,
    read_fields,
    split_line,
)
from lurge.aggregate.lookup import ANY_GROUP, compile_lookup, find_group
from lurge.compiled import compiled, inlined
from lurge.model.era import STANDARD_ALPHABET
from lurge.model.rules import Rules
from lurge.model.split import Portion

ALPHABET = np.frombuffer(STANDARD_ALPHABET, np.uint8)
PADDING = ord("=")
LAST_COLUMN = 10
GROUP, START, END, IS_DIRECTORY = range(4)


@compiled
def write_base64(path, length, out, at):
    """Write path[:length] at out[at:]; returns where it ends."""
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


@inlined
def copy(text, start, end, out, at):
    """Copy text[start:end] to out[at:]; returns where it ends. In this form the compiler copies many bytes at once."""
    for i in range(end - start):
        out[at + i] = text[start + i]
    return at + end - start


@compiled
def write_records(encoding, columns, pseudo, buffer, tabs, path, fields, found, out):
    """Write the line of every record in `buffer`; returns how many there are.

    found: int64[lines, 4], filled with the group of each, where its line starts and ends in `out`, and whether it is a
    directory.
    """
    at = start = count = 0
    while start < len(buffer):
        end, columns_found = split_line(buffer, start, tabs)
        if read_fields(encoding, columns, columns_found, buffer, start, end, tabs, path, fields) == GOOD:
            length = np.int64(fields[PATH_LENGTH])
            found[count, GROUP] = find_group(pseudo, path, length, np.int64(fields[GID]))
            found[count, START] = at
            found[count, IS_DIRECTORY] = fields[KIND] == DIRECTORY
            at = write_base64(path, length, out, at)
            at = copy(buffer, tabs[0], tabs[LAST_COLUMN], out, at)
            out[at] = 10
            at += 1
            found[count, END] = at
            count += 1
        start = end + 1
    return count


@compiled
def gather(found, order, text, out):
    """Copy the lines in `order` one after another."""
    at = 0
    for number in order:
        at = copy(text, found[number, START], found[number, END], out, at)


class Splitter:
    """Sorts the lines of one dump by group."""

    def __init__(self, rules: Rules) -> None:
        self._era = rules.era
        self._pseudo = compile_lookup({(int(ANY_GROUP), path): gid for path, gid in rules.pseudo_gids().items()})
        self._scratch = line_scratch()

    def split(self, lines: npt.NDArray[np.uint8], count: int) -> Portion:
        """The records among `count` whole lines (uint8)."""
        found = np.zeros((count + 1, 4), np.int64)
        # Base64 makes four bytes of three, and at most three more at its end.
        out = np.empty(len(lines) * 4 // 3 + 8 * (count + 1), np.uint8)
        era = self._era
        records = write_records(int(era.encoding), era.columns, self._pseudo, lines, *self._scratch, found, out)
        found = found[:records]
        gids, group = np.unique(found[:, GROUP], return_inverse=True)
        order = np.argsort(group, kind="stable")
        sizes = np.bincount(group, found[:, END] - found[:, START], len(gids)).astype(np.int64)
        text = np.empty(int(sizes.sum()), np.uint8)
        gather(found, order, out, text)
        return Portion(
            gids=gids,
            lines=np.bincount(group, minlength=len(gids)).astype(np.int64),
            directories=np.bincount(group, found[:, IS_DIRECTORY], len(gids)).astype(np.int64),
            ends=np.cumsum(sizes),
            text=text,
        )
