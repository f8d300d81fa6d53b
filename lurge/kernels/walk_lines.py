"""The kernel that walks some entries of a directory with everything below them, and writes their lines of a dump.

Entries come in the order of a dump: depth first, and names of directories sort as if they ended in a slash. The kernel
stops where Python must help: to make room, to take the text, to quote a name that has unusual bytes, to note what
cannot be read. It then goes on where it was. `source.walk` has the plain twin.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.core import types

from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.system import (
    AT_FDCWD,
    DIRECTORY_MODE,
    DIRECTORY_TYPE,
    ENTRY_HEAD,
    GONE,
    LISTING_BYTES,
    LONGEST_PATH,
    MOST_ENTRIES,
    OPEN_FLAGS,
    STATX_BASIC_STATS,
    STATX_TYPE,
    STX_ATIME,
    STX_BLOCKS,
    STX_CTIME,
    STX_DEV_MAJOR,
    STX_DEV_MINOR,
    STX_GID,
    STX_INO,
    STX_MODE,
    STX_MTIME,
    STX_NLINK,
    STX_SIZE,
    STX_UID,
    TOO_LONG,
    TOO_MANY_OPEN,
    TOO_MANY_OPEN_HERE,
    TYPE_MASK,
    UNKNOWN_TYPE,
    close,
    copy,
    is_dot,
    last_error,
    length_of,
    list_next,
    look_at,
    new_buffers,
    open_at,
)

FINISHED, TIME_IS_UP, MORE_ROOM, TEXT_IS_FULL, QUOTE_NAME, UNREADABLE = (np.int64(answer) for answer in range(6))
"""Answers of `walk_lines`: all is walked; the deadline has passed, and at least one line was written; `with_room` must
make room; `text` must be taken; `quoted_name` must get the next name; `path` cannot be read, as PROBLEM says."""

DEPTH, ENTRIES, NAME_BYTES, TEXT_BYTES, WRITTEN, VANISHED, QUOTED_LENGTH, DEADLINE, PROBLEM, PROBLEM_LENGTH = range(10)
"""The places in `Lines.state`: the frames, entries and bytes of names in use; bytes of text; lines written and entries
that had vanished so far; bytes of `quoted_name`, -1 if it has none; the end of its time, in nanoseconds of the
monotonic clock, 0 before its first line; the number of an error, and the bytes of `path` to which it belongs."""

PATH_BYTES, QUOTED_BYTES, FIRST, NEXT, NAMES, FD, IS_LISTED, FRAME_COLUMNS = range(8)
"""The columns of a frame, which is a directory: the bytes of `path` and `quoted` that are its path, with the slash at
the end; its first entry and the next to be written; where its names begin; the open directory, -1 if it is not open;
and whether all its entries are known."""

NAME, LENGTH, IS_DIRECTORY, ENTRY_COLUMNS = range(4)
"""The columns of an entry: where its name begins in `names`, its length, and whether it was listed as a directory."""

FLAGS_BELOW = OPEN_FLAGS | os.O_NOFOLLOW
MOST_OPEN = 128
"""Directories that are kept open. Entries of deeper ones are found by their whole paths."""

LONGEST_NAME = 4096
"""Bytes of a name, at most: file systems differ."""

QUOTED_BYTE = 4
"""Bytes of the quoted form of one byte, at most."""

NUMBERS = 11 * 21 + 8
"""Bytes of a line behind its path, at most."""

TEXT_ROOM = 1 << 20
BLOCK_BYTES = 512
TAB, NEWLINE, SLASH, QUOTE, BACKSLASH, MINUS, DIGIT = (np.uint8(ord(byte)) for byte in '\t\n/"\\-0')
TYPES = np.full(16, ord("X"), np.uint8)
TYPES[[0o10, 0o04, 0o12, 0o14, 0o06, 0o02, 0o01]] = np.frombuffer(b"fdlsbcF", np.uint8)
"""The letter of each type, by the highest bits of a mode."""

CLOCK_MONOTONIC, SECOND = np.int32(1), np.int64(10**9)

_clock: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))


class Lines(NamedTuple):
    """Memory of one walk.

    state: int64[PROBLEM_LENGTH + 1]. frames: int64[n, FRAME_COLUMNS], from the first directory to the one that is
    walked. entries, spare: int64[n, ENTRY_COLUMNS], those of all frames, and scratch for sorting. names: uint8, each
    with a NUL. path, quoted: uint8, the path of the last frame as it is and as it is written; behind it is room for a
    name. quoted_name: uint8. listing and status are what the system writes, as bytes and as numbers. now: int64[2].
    text: uint8, the lines.
    """

    state: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int64]
    entries: npt.NDArray[np.int64]
    spare: npt.NDArray[np.int64]
    names: npt.NDArray[np.uint8]
    path: npt.NDArray[np.uint8]
    quoted: npt.NDArray[np.uint8]
    quoted_name: npt.NDArray[np.uint8]
    listing: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.uint16]
    status: npt.NDArray[np.int64]
    modes: npt.NDArray[np.uint16]
    words: npt.NDArray[np.uint32]
    error: npt.NDArray[np.int32]
    now: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]


def new_lines() -> Lines:
    """Memory for one walk."""
    buffers = new_buffers()
    entries = np.zeros((2 * MOST_ENTRIES, ENTRY_COLUMNS), np.int64)
    return Lines(
        state=np.zeros(PROBLEM_LENGTH + 1, np.int64),
        frames=np.zeros((64, FRAME_COLUMNS), np.int64),
        entries=entries,
        spare=entries.copy(),
        names=np.zeros(2 * LISTING_BYTES, np.uint8),
        path=np.zeros(LONGEST_PATH + LONGEST_NAME + 2, np.uint8),
        quoted=np.zeros(QUOTED_BYTE * (LONGEST_PATH + LONGEST_NAME + 2), np.uint8),
        quoted_name=np.zeros(QUOTED_BYTE * LONGEST_NAME, np.uint8),
        **buffers,
        words=buffers["status"].view(np.uint32),
        now=np.zeros(2, np.int64),
        text=np.zeros(TEXT_ROOM, np.uint8),
    )


def with_room(lines: Lines, more_entries: int = MOST_ENTRIES, more_bytes: int = LISTING_BYTES) -> Lines:
    """Return the same memory with room for another frame, and for more entries, whose names take `more_bytes`."""
    depth, entries, names = lines.state[:TEXT_BYTES].tolist()
    room = lines._replace(
        frames=np.zeros((2 * (depth + 1), FRAME_COLUMNS), np.int64),
        entries=np.zeros((2 * (entries + more_entries), ENTRY_COLUMNS), np.int64),
        spare=np.zeros((2 * (entries + more_entries), ENTRY_COLUMNS), np.int64),
        names=np.zeros(2 * (names + more_bytes), np.uint8),
    )
    room.frames[:depth], room.entries[:entries] = lines.frames[:depth], lines.entries[:entries]
    room.names[:names] = lines.names[:names]
    return room


@inline_kernel
def is_after(names, left, right):
    """True if an entry comes after another one in a dump. left, right: rows of entries."""
    left_length, right_length = left[LENGTH], right[LENGTH]
    for i in range(min(left_length, right_length)):
        a, b = names[left[NAME] + i], names[right[NAME] + i]
        if a != b:
            return a > b
    # Names in one directory differ, so that at most one of them ends here, in a slash or in nothing.
    if left_length < right_length:
        return left[IS_DIRECTORY] != 0 and names[right[NAME] + left_length] < SLASH
    return right[IS_DIRECTORY] == 0 or names[left[NAME] + right_length] > SLASH


@inline_kernel
def copy_entry(to, row, source, source_row):
    """Copy a row of entries."""
    for column in range(ENTRY_COLUMNS):
        to[row, column] = source[source_row, column]


@internal_kernel
def sort_entries(lines, first, after):
    """Sort the entries first:after as in a dump, by merging longer and longer runs."""
    count, width = after - first, ONE
    source, to = lines.entries[first:after], lines.spare[first:after]
    is_swapped = False
    while width < count:
        for start in range(ZERO, count, 2 * width):
            left, middle = start, min(start + width, count)
            right, end = middle, min(start + 2 * width, count)
            for row in range(start, end):
                if left < middle and (right == end or not is_after(lines.names, source[left], source[right])):
                    copy_entry(to, row, source, left)
                    left += 1
                else:
                    copy_entry(to, row, source, right)
                    right += 1
        source, to = to, source
        is_swapped = not is_swapped
        width *= 2
    if is_swapped:
        for row in range(count):
            copy_entry(to, row, source, row)


@internal_kernel
def fail_at(lines, length, error):
    """Count what is gone, else say that path[:length] cannot be read; returns True if it is to be said."""
    if error == GONE:
        lines.state[VANISHED] += 1
        return False
    lines.state[PROBLEM], lines.state[PROBLEM_LENGTH] = error, length
    return True


@internal_kernel
def take_entries(lines, frame, size):
    """Add the entries of one listing to those of the last frame."""
    state, at = lines.state, ZERO
    while at < size:
        name = at + ENTRY_HEAD
        if not is_dot(lines.listing, name):
            length = length_of(lines.listing, name)
            kind = np.int64(lines.listing[name - 1])
            if (
                kind == UNKNOWN_TYPE
                and look_at(frame[FD], np.int64(lines.listing.ctypes.data) + name, STATX_TYPE, lines.status) >= 0
            ):
                kind = DIRECTORY_TYPE * np.int64(lines.modes[STX_MODE // 2] & TYPE_MASK == DIRECTORY_MODE)
            entry = lines.entries[state[ENTRIES]]
            entry[NAME], entry[LENGTH], entry[IS_DIRECTORY] = state[NAME_BYTES], length, kind == DIRECTORY_TYPE
            for i in range(length + 1):
                lines.names[state[NAME_BYTES] + i] = lines.listing[name + i]
            state[NAME_BYTES] += length + 1
            state[ENTRIES] += 1
        at += lines.lengths[(at + 16) // 2]


@internal_kernel
def list_directory(lines, frame):
    """Find all entries of the last frame; returns FINISHED, MORE_ROOM or UNREADABLE."""
    state = lines.state
    error = ZERO
    if frame[FD] < 0:
        lines.path[frame[PATH_BYTES]] = 0
        frame[FD] = open_at(AT_FDCWD, lines.path.ctypes.data, OPEN_FLAGS, 0)
        if frame[FD] < 0:
            error = last_error(lines.error)
    while error == 0:
        if len(lines.entries) < state[ENTRIES] + MOST_ENTRIES or len(lines.names) < state[NAME_BYTES] + LISTING_BYTES:
            return MORE_ROOM
        size = list_next(frame[FD], lines.listing)
        if size < 0:
            error = last_error(lines.error)
        if size == 0 or error == GONE:
            # The directory was removed after it was opened.
            error = ZERO
            break
        if size > 0:
            take_entries(lines, frame, size)
    frame[IS_LISTED] = 1
    if error != 0:
        state[ENTRIES], state[NAME_BYTES] = frame[FIRST], frame[NAMES]
        return UNREADABLE if fail_at(lines, max(frame[PATH_BYTES] - 1, ONE), error) else FINISHED
    sort_entries(lines, frame[FIRST], state[ENTRIES])
    if state[DEPTH] > MOST_OPEN:
        close(frame[FD])
        frame[FD] = -1
    return FINISHED


@internal_kernel
def leave(lines, frame):
    """Forget the last frame."""
    state = lines.state
    if frame[FD] >= 0:
        close(frame[FD])
    state[ENTRIES], state[NAME_BYTES] = frame[FIRST], frame[NAMES]
    state[DEPTH] -= 1


@internal_kernel
def is_plain(names, start, length):
    """True if a name is written as it is."""
    for i in range(length):
        byte = names[start + i]
        if byte < 0x20 or byte > 0x7E or byte in (QUOTE, BACKSLASH):
            return False
    return True


@internal_kernel
def write_number(text, at, number):
    """Write a number in digits at text[at]; returns where it ends."""
    value = np.uint64(number)
    digits, power = ONE, np.uint64(10)
    while digits < 20 and value >= power:
        digits += 1
        power *= np.uint64(10)
    place = at + digits
    while place > at:
        place -= 1
        text[place] = DIGIT + np.uint8(value % np.uint64(10))
        value //= np.uint64(10)
    return at + digits


@inline_kernel
def write_column(text, at, number):
    """Write a TAB and a number, which may be negative; returns where it ends."""
    text[at] = TAB
    if number < 0:
        text[at + 1] = MINUS
        return write_number(text, at + 2, np.uint64(0) - np.uint64(number))
    return write_number(text, at + 1, number)


@inline_kernel
def unsigned_column(text, at, number):
    """Write a TAB and a number of 64 bits without a sign; returns where it ends."""
    text[at] = TAB
    return write_number(text, at + 1, np.uint64(number))


@internal_kernel
def device_of(words):
    """The device of an entry, as stat(2) numbers it."""
    major, minor = np.uint64(words[STX_DEV_MAJOR // 4]), np.uint64(words[STX_DEV_MINOR // 4])
    high = (major & np.uint64(0xFFFFF000)) << np.uint64(32) | (minor & np.uint64(0xFFFFFF00)) << np.uint64(12)
    return high | (major & np.uint64(0xFFF)) << np.uint64(8) | minor & np.uint64(0xFF)


@internal_kernel
def write_line(lines, quoted_end, in_blocks):
    """Write the line of the entry whose quoted path is quoted[:quoted_end], and whose status is known."""
    text, status, words, at = lines.text, lines.status, lines.words, lines.state[TEXT_BYTES]
    text[at] = QUOTE
    copy(np.int64(text.ctypes.data) + at + 1, lines.quoted.ctypes.data, quoted_end)
    at += 1 + quoted_end
    text[at] = QUOTE
    at += 1
    size = status[STX_SIZE // 8]
    at = write_column(text, at, status[STX_BLOCKS // 8] * BLOCK_BYTES if in_blocks else size)
    at = unsigned_column(text, at, words[STX_UID // 4])
    at = unsigned_column(text, at, words[STX_GID // 4])
    at = write_column(text, at, status[STX_ATIME // 8])
    at = write_column(text, at, status[STX_MTIME // 8])
    at = write_column(text, at, status[STX_CTIME // 8])
    text[at], text[at + 1] = TAB, TYPES[lines.modes[STX_MODE // 2] >> 12]
    at = unsigned_column(text, at + 2, status[STX_INO // 8])
    at = unsigned_column(text, at, words[STX_NLINK // 4])
    at = unsigned_column(text, at, device_of(words))
    at = write_column(text, at, size)
    text[at] = NEWLINE
    lines.state[TEXT_BYTES] = at + 1
    lines.state[WRITTEN] += 1


@internal_kernel
def enter(lines, fd, path_bytes, quoted_bytes):
    """Add a frame for the directory whose path is path[:path_bytes], with a slash at the end."""
    state = lines.state
    frame = lines.frames[state[DEPTH]]
    frame[PATH_BYTES], frame[QUOTED_BYTES], frame[FD], frame[IS_LISTED] = path_bytes, quoted_bytes, fd, 0
    frame[FIRST] = frame[NEXT] = state[ENTRIES]
    frame[NAMES] = state[NAME_BYTES]
    state[DEPTH] += 1


@internal_kernel
def close_all(lines):
    """Close the directories of all frames, whose entries are then found by their whole paths."""
    for row in range(lines.state[DEPTH]):
        if lines.frames[row, FD] >= 0:
            close(lines.frames[row, FD])
            lines.frames[row, FD] = -1


@internal_kernel
def write_entry(lines, frame, device, crosses, in_blocks):
    """Write the next entry of the last frame, and add a frame if it is a directory to walk; returns an answer."""
    state, entry = lines.state, lines.entries[frame[NEXT]]
    name, length = entry[NAME], entry[LENGTH]
    if state[QUOTED_LENGTH] < 0 and not is_plain(lines.names, name, length):
        return QUOTE_NAME
    end = frame[PATH_BYTES] + length
    for i in range(length + 1):
        lines.path[frame[PATH_BYTES] + i] = lines.names[name + i]
    fd, place = frame[FD], np.int64(lines.names.ctypes.data) + name
    if fd < 0:
        fd, place = AT_FDCWD, np.int64(lines.path.ctypes.data)
    frame[NEXT] += 1
    quoted_length, state[QUOTED_LENGTH] = state[QUOTED_LENGTH], -1
    error = ZERO
    if end >= LONGEST_PATH:
        error = TOO_LONG
    elif look_at(fd, place, STATX_BASIC_STATS, lines.status) < 0:
        error = last_error(lines.error)
    if error != 0:
        return UNREADABLE if fail_at(lines, end, error) else FINISHED
    is_directory = lines.modes[STX_MODE // 2] & TYPE_MASK == DIRECTORY_MODE
    at = frame[QUOTED_BYTES]
    if quoted_length < 0:
        for i in range(length):
            lines.quoted[at + i] = lines.names[name + i]
        at += length
    else:
        for i in range(quoted_length):
            lines.quoted[at + i] = lines.quoted_name[i]
        at += quoted_length
    if is_directory:
        lines.quoted[at] = SLASH
        at += 1
    write_line(lines, at, in_blocks)
    if is_directory and entry[IS_DIRECTORY] and (crosses or device == device_of(lines.words)):
        below = np.int64(open_at(fd, place, FLAGS_BELOW, 0))
        if below < 0 and last_error(lines.error) in (TOO_MANY_OPEN, TOO_MANY_OPEN_HERE):
            close_all(lines)
            below = np.int64(open_at(AT_FDCWD, lines.path.ctypes.data, FLAGS_BELOW, 0))
        if below < 0:
            return UNREADABLE if fail_at(lines, end, last_error(lines.error)) else FINISHED
        lines.path[end] = SLASH
        enter(lines, below, end + 1, at)
    return FINISHED


@internal_kernel
def clock(now):
    """The nanoseconds of the monotonic clock. now: int64[2], scratch."""
    _clock(CLOCK_MONOTONIC, now.ctypes.data)
    return now[0] * SECOND + now[1]


@compiled
def walk_lines(time, device, crosses, in_blocks, *arrays):
    """Write the lines of all entries of the frames, and of what is below them; returns an answer, listed above.

    time: nanoseconds, from the first line on. device: uint64, the one whose directories are walked. crosses: whether
    those of others are walked, too. in_blocks: whether sizes are those of blocks. arrays: those of Lines.
    """
    lines = Lines(*arrays)
    state = lines.state
    while state[DEPTH] > 0:
        frame = lines.frames[state[DEPTH] - 1]
        answer = FINISHED
        if frame[IS_LISTED] == 0:
            answer = list_directory(lines, frame)
        elif frame[NEXT] == state[ENTRIES]:
            leave(lines, frame)
        elif state[DEADLINE] == 0:
            state[DEADLINE] = clock(lines.now) + time
        elif state[WRITTEN] > 0 and clock(lines.now) > state[DEADLINE]:
            answer = TIME_IS_UP
        elif len(lines.frames) == state[DEPTH]:
            answer = MORE_ROOM
        elif len(lines.text) < state[TEXT_BYTES] + frame[QUOTED_BYTES] + QUOTED_BYTE * LONGEST_NAME + NUMBERS:
            answer = TEXT_IS_FULL
        else:
            answer = write_entry(lines, frame, device, crosses, in_blocks)
        if answer != FINISHED:
            return answer
    return FINISHED


@compiled
def begin(names, is_listed, path_bytes, quoted_bytes, *arrays):
    """Add the first frame. names: uint8, of its entries, as `names_of` writes them, if they are known (is_listed)."""
    lines = Lines(*arrays)
    state = lines.state
    enter(lines, np.int64(-1), path_bytes, quoted_bytes)
    if not is_listed:
        return
    lines.frames[0, IS_LISTED] = 1
    lines.path[path_bytes] = 0
    lines.frames[0, FD] = open_at(AT_FDCWD, lines.path.ctypes.data, OPEN_FLAGS, 0)
    start = ZERO
    for at in range(len(names)):
        lines.names[at] = names[at]
        if names[at] == SLASH:
            lines.names[at] = 0
        elif names[at] == 0:
            is_directory = np.int64(names[at - 1] == SLASH)
            entry = lines.entries[state[ENTRIES]]
            entry[NAME], entry[LENGTH], entry[IS_DIRECTORY] = start, at - start - is_directory, is_directory
            state[ENTRIES] += 1
            start = at + 1
    state[NAME_BYTES] = len(names)


@compiled
def names_of(names, first, after, *arrays):
    """Write the names of the entries first:after into `names`, each with a NUL, after a slash if it is a directory."""
    lines = Lines(*arrays)
    at = ZERO
    for row in range(first, after):
        entry = lines.entries[row]
        for i in range(entry[LENGTH]):
            names[at + i] = lines.names[entry[NAME] + i]
        at += entry[LENGTH]
        if entry[IS_DIRECTORY]:
            names[at] = SLASH
            at += 1
        names[at] = 0
        at += 1
    return at
