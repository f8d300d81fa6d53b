"""The kernel that reads lines of a dump into records, and says of the others why they are none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record, usual
from lurge.kernels.columns import ATIME, CTIME, DUMP_COLUMNS, GID, MTIME, NLINK, PATH, SIZE, TYPE, UID
from lurge.kernels.compiling import ZERO, compiled, internal_kernel
from lurge.kernels.decode import TYPES, decode_path, read_unsigned
from lurge.model.report import LONGEST_LINE as LONGEST
from lurge.model.report import SAMPLE_BYTES, SAMPLES_KEPT

LONGEST_LINE = np.int64(LONGEST)
SLACK = 64
"""Bytes behind the end of a path that wide stores may touch."""

PATH_ROOM = np.int64(LONGEST + SLACK)
"""Bytes of `paths` that any one path needs while it is read."""

TOO_LONG, BAD_COLUMNS, BAD_NUMBER, BAD_TYPE, BAD_PATH = (np.int64(reason) for reason in range(5))
"""Rows of `Rejected`: model.report.REASONS."""

GOOD = np.int64(-1)

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

    ends: int64[16], the places of separators. numbers: uint64[DUMP_COLUMNS], times reinterpreted. last: int64[5], the
    state of `read_usual`.
    """

    ends: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.uint64]
    last: npt.NDArray[np.int64]


def new_scratch() -> Scratch:
    """Scratch for one thread."""
    return Scratch(np.zeros(16, np.int64), np.zeros(DUMP_COLUMNS, np.uint64), np.full(5, -1, np.int64))


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


@internal_kernel
def split_line(buffer, start, tabs):
    """Find the TABs of the line that starts at `start`; returns (where it ends, its number of columns)."""
    rest = buffer[start:]
    columns = 1
    length = len(rest)
    for i in range(len(rest)):
        byte = rest[i]
        if byte <= 10:
            if byte == 10:
                length = i
                break
            if byte == 9:
                if columns <= DUMP_COLUMNS:
                    tabs[columns - 1] = start + i
                columns += 1
    if columns <= DUMP_COLUMNS:
        tabs[columns - 1] = start + length
    return start + length, columns


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
    ends, numbers, last = arrays[:3]
    rejected = Rejected(*arrays[3:6])
    last[usual.TEXT_START] = usual.NOTHING
    count = at = ZERO
    while start < len(buffer) and count < fields.shape[1] and at + PATH_ROOM <= len(paths):
        length = usual.read_usual(encoding, columns, buffer, start, last, ends, paths, at)
        if length != usual.UNUSUAL:
            end = ends[columns]
            kind = np.int64(buffer[ends[usual.TYPE_LETTER]])
            whole = np.int64(usual.read_number(buffer, ends, usual.SIZE_END))
            uid = np.int64(usual.read_small(buffer, ends, usual.UID_END))
            gid = np.int64(usual.read_small(buffer, ends, usual.GID_END))
            mtime = np.int64(usual.read_number(buffer, ends, usual.MTIME_END))
            nlink = usual.read_small(buffer, ends, usual.NLINK_END)
            shared, parent = last[usual.BYTES_SHARED], last[usual.PARENT]
        else:
            end, columns_here = split_line(buffer, start, ends)
            path = paths[at:]
            reason = read_fields(encoding, columns, columns_here, buffer, start, end, ends, path, numbers)
            if reason != GOOD:
                reject(rejected, reason, line, buffer, start, end)
                start, line = end + 1, line + 1
                continue
            length, kind, whole = np.int64(numbers[PATH]), np.int64(numbers[TYPE]), np.int64(numbers[SIZE])
            uid, gid, nlink = np.int64(numbers[UID]), np.int64(numbers[GID]), numbers[NLINK]
            mtime = np.int64(numbers[MTIME])
            shared, parent = ZERO, usual.last_slash(paths, at, length)
        size = whole
        if kind != DIRECTORY and nlink > 1:
            size = np.int64(np.uint64(whole) // nlink)
        fields[record.START, count] = at
        fields[record.LENGTH, count] = length
        fields[record.PARENT, count] = parent
        fields[record.SHARED, count] = shared
        fields[record.KIND, count] = kind
        fields[record.BYTES, count] = size
        fields[record.WHOLE, count] = whole
        fields[record.NLINK, count] = np.int64(nlink)
        fields[record.UID, count] = uid
        fields[record.GID, count] = gid
        fields[record.MTIME, count] = min(mtime, dump_time)
        fields[record.LINE, count] = line
        fields[record.TEXT_START, count] = start
        fields[record.TEXT_END, count] = end
        count += 1
        at += length
        start, line = end + 1, line + 1
    return count, at, start, line
