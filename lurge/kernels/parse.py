"""The kernel that reads lines of a dump into records, and says of the others why they are none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record, usual
from lurge.kernels.columns import ATIME, CTIME, DUMP_COLUMNS, GID, MTIME, NLINK, PATH, SIZE, TYPE, UID
from lurge.kernels.compiling import ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.decode import TYPES, decode_path, read_unsigned
from lurge.kernels.wide import VECTOR, bits_set, equal_mask, first_bit
from lurge.model.report import LONGEST_LINE as LONGEST
from lurge.model.report import SAMPLE_BYTES, SAMPLES_KEPT

LONGEST_LINE = np.int64(LONGEST)
SLACK = 128
"""Bytes behind the end of a path that wide stores may touch."""

PATH_ROOM = np.int64(LONGEST + SLACK)
"""Bytes of `paths` that any one path needs while it is read."""

TOO_LONG, BAD_COLUMNS, BAD_NUMBER, BAD_TYPE, BAD_PATH = (np.int64(reason) for reason in range(5))
"""Rows of `Rejected`: model.report.REASONS."""

GOOD = np.int64(-1)
TAB, NEWLINE = np.uint8(9), np.uint8(10)
NEWLINES_AHEAD = 128
"""Newlines that are looked for at once, so that reading a line need not wait for the end of the one before."""

LARGEST = np.array([0, *[2**63 - 1], *[2**32 - 1] * 2, *[2**63 - 1] * 3, 0, *[2**64 - 1] * 3, 2**63 - 1], np.uint64)
"""The largest number in each column; the least of a negative one is one more."""

DIRECTORY, FILE = ord("d"), ord("f")


class Rejected(NamedTuple):
    """Lines that were left out, by reason.

    counts: int64[reasons]. samples: int64[reasons, SAMPLES_KEPT, 2], line number and length of the first ones. text:
    uint8[reasons, SAMPLES_KEPT, SAMPLE_BYTES].
    """

    counts: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]


class Scratch(NamedTuple):
    """Memory that `parse_lines` uses for one line after another.

    tabs: int64[DUMP_COLUMNS], the ends of columns. numbers: uint64[DUMP_COLUMNS], times reinterpreted. newlines:
    int64[NEWLINES_AHEAD].
    """

    tabs: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.uint64]
    newlines: npt.NDArray[np.int64]


def new_scratch() -> Scratch:
    """Scratch for one thread."""
    return Scratch(
        np.zeros(DUMP_COLUMNS, np.int64), np.zeros(DUMP_COLUMNS, np.uint64), np.zeros(NEWLINES_AHEAD, np.int64)
    )


def new_rejected(reasons: int) -> Rejected:
    """Counters that are all 0."""
    return Rejected(
        counts=np.zeros(reasons, np.int64),
        samples=np.zeros((reasons, SAMPLES_KEPT, 2), np.int64),
        text=np.zeros((reasons, SAMPLES_KEPT, SAMPLE_BYTES), np.uint8),
    )


@internal_kernel
def reject(rejected, reason, line_number, buffer, start, end):
    """Count the line buffer[start:end], and keep it as a sample if it is one of the first."""
    kept = rejected.counts[reason]
    rejected.counts[reason] += 1
    if kept < SAMPLES_KEPT:
        length = min(end - start, SAMPLE_BYTES)
        rejected.samples[reason, kept, 0] = line_number
        rejected.samples[reason, kept, 1] = length
        for i in range(length):
            rejected.text[reason, kept, i] = buffer[start + i]


@inline_kernel
def find_newlines(buffer, start, places):
    """Fill `places` with some of the newlines in buffer[start:]; returns (how many, where to go on)."""
    count = ZERO
    while start + VECTOR <= len(buffer) and count + VECTOR <= len(places):
        newlines = equal_mask(buffer, start, NEWLINE)
        next_count = count + np.int64(bits_set(newlines))
        # Most vectors have one newline or none: storing in any case needs no decision.
        places[count] = start + np.int64(first_bit(newlines))
        while count + 1 < next_count:
            count += 1
            newlines &= newlines - np.uint64(1)
            places[count] = start + np.int64(first_bit(newlines))
        count = next_count
        start += VECTOR
    while start < len(buffer) and start + VECTOR > len(buffer) and count < len(places):
        if buffer[start] == NEWLINE:
            places[count] = start
            count += 1
        start += 1
    return count, start


@internal_kernel
def split_line(buffer, start, end, tabs):
    """Find the TABs of the line buffer[start:end]; returns its number of columns."""
    columns = 1
    rest = buffer[start:end]
    for i in range(len(rest)):
        if rest[i] == TAB:
            if columns <= DUMP_COLUMNS:
                tabs[columns - 1] = start + i
            columns += 1
    if columns <= DUMP_COLUMNS:
        tabs[columns - 1] = end
    return columns


@internal_kernel
def has_tab(buffer, start, end):
    """True if there is a TAB in buffer[start:end]."""
    for i in range(start, end):
        if buffer[i] == TAB:
            return True
    return False


@internal_kernel
def read_fields(encoding, columns_wanted, columns, buffer, start, end, tabs, path, numbers):
    """Check and decode buffer[start:end], one line without its newline after `split_line`.

    Fills path and numbers, whose PATH is the length of the path. Returns GOOD, or the reason why the line is no record.
    """
    if end - start > LONGEST_LINE:
        return TOO_LONG
    if columns != columns_wanted:
        return BAD_COLUMNS
    for column in range(1, columns):
        if column == TYPE:
            continue
        first, after = tabs[column - 1] + 1, tabs[column]
        negative = ATIME <= column <= CTIME and first < after and buffer[first] == 45
        value, good = read_unsigned(buffer, first + 1 if negative else first, after)
        if not good or value > LARGEST[column] + np.uint64(negative):
            return BAD_NUMBER
        numbers[column] = np.uint64(0) - value if negative else value
    kind = buffer[tabs[TYPE - 1] + 1]
    if tabs[TYPE] - tabs[TYPE - 1] != 2 or not TYPES[kind]:
        return BAD_TYPE
    length = decode_path(encoding, buffer, start, tabs[0], path)
    if length < 0:
        return BAD_PATH
    if kind == DIRECTORY and length > 1 and path[length - 1] == 47:
        length -= 1
    numbers[TYPE] = kind
    numbers[PATH] = np.uint64(length)
    return GOOD


@compiled
def parse_lines(encoding, columns, dump_time, buffer, start, line, fields, paths, *arrays):
    """Read lines of buffer[start:] into fields and paths until these are full; the last line may lack its newline.

    encoding, columns: the dump's era. dump_time: Unix seconds, the latest time that counts. line: the number of the
    first line. fields: int64[record.COLUMNS, n]. paths: uint8, at least PATH_ROOM long. arrays: those of
    Scratch and Rejected. Returns (number of records, bytes of paths, where the first unread line starts, its number).
    """
    tabs, numbers, newlines = arrays[:3]
    rejected = Rejected(*arrays[3:6])
    count = at = found = next_newline = ZERO
    unsearched = start
    while start < len(buffer) and count < fields.shape[1] and at + PATH_ROOM <= len(paths):
        if next_newline == found:
            found, unsearched = find_newlines(buffer, unsearched, newlines)
            next_newline = ZERO
        end = newlines[next_newline] if found else len(buffer)
        next_newline += found > 0
        is_usual = usual.FIELDS_WINDOW <= end < len(buffer) and end - start <= LONGEST_LINE
        if is_usual:
            fields_read = usual.read_usual_fields(columns, buffer, end)
            is_usual, path_end, kind, whole, uid, gid, mtime, atime, nlink = fields_read
        if is_usual:
            length = usual.read_path(encoding, buffer, start, path_end, paths, at)
            if length < 0 and not has_tab(buffer, start, path_end):
                length = decode_path(encoding, buffer, start, path_end, paths[at:])
            is_usual = length > 0
        if is_usual:
            if kind == DIRECTORY and length > 1 and paths[at + length - 1] == 47:
                length -= 1
        else:
            columns_here = split_line(buffer, start, end, tabs)
            path = paths[at:]
            reason = read_fields(encoding, columns, columns_here, buffer, start, end, tabs, path, numbers)
            if reason != GOOD:
                reject(rejected, reason, line, buffer, start, end)
                start, line = end + 1, line + 1
                continue
            length, kind, whole = np.int64(numbers[PATH]), np.int64(numbers[TYPE]), np.int64(numbers[SIZE])
            uid, gid, nlink = np.int64(numbers[UID]), np.int64(numbers[GID]), numbers[NLINK]
            mtime, atime = np.int64(numbers[MTIME]), np.int64(numbers[ATIME])
        size = whole
        if kind != DIRECTORY and nlink > 1:
            size = np.int64(np.uint64(whole) // nlink)
        fields[record.START, count] = at
        fields[record.LENGTH, count] = length
        fields[record.KIND, count] = kind
        fields[record.BYTES, count] = size
        fields[record.WHOLE, count] = whole
        fields[record.NLINK, count] = np.int64(nlink)
        fields[record.UID, count] = uid
        fields[record.GID, count] = gid
        fields[record.MTIME, count] = min(mtime, dump_time)
        fields[record.ATIME, count] = min(atime, dump_time)
        fields[record.TEXT_START, count] = start
        count += 1
        at += length
        start, line = end + 1, line + 1
    return count, at, start, line
