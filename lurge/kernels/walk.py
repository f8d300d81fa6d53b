"""The kernel that counts the files of one work by walking it: Linux system calls, without the interpreter's lock.

Directories are listed by getdents64, whose entries tell files from directories. Files are looked at by statx, if their
sizes and times are wanted, which takes most of the time.
"""

from __future__ import annotations

import errno
import os
import platform
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.core import types

from lurge.kernels.compiling import ONE, ZERO, compiled, internal_kernel
from lurge.kernels.works import LEAST, WorkTrees, is_image, is_junk, is_text

LISTING_BYTES = 1 << 15
"""Bytes of entries that are asked for at once."""

LEAST_ENTRY, ENTRY_HEAD = 24, 19
"""Bytes of the smallest entry, and of an entry before its name: inode, offset, length and type (getdents64(2))."""

MOST_ENTRIES = LISTING_BYTES // LEAST_ENTRY
LONGEST_PATH = 4096
"""Bytes of a path that the system takes (PATH_MAX)."""

STATX_BYTES = 256
STX_MODE, STX_SIZE, STX_MTIME = 28, 40, 112
"""Places in what statx(2) writes."""

WANTED = 0x1 | 0x40 | 0x200
"""STATX_TYPE, STATX_MTIME, STATX_SIZE."""

AT_FDCWD, AT_SYMLINK_NOFOLLOW = -100, 0x100
OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
GETDENTS64 = {"x86_64": 217, "aarch64": 61, "ppc64le": 202, "s390x": 220}.get(platform.machine(), 217)
STATX = {"x86_64": 332, "aarch64": 291, "ppc64le": 383, "s390x": 379}.get(platform.machine(), 332)

DIRECTORY_TYPE, FILE_TYPE, UNKNOWN_TYPE, OTHER_TYPE = (np.int64(kind) for kind in (4, 8, 0, 1))
TYPE_MASK, DIRECTORY_MODE, FILE_MODE = 0o170000, 0o040000, 0o100000

USED, WAITING, FD, PATH_LENGTH, IN_ARCHIVE, TOP, LOST, NEXT, LEAST_TEXT = range(9)
"""The places in `Walk.state`: bytes of `text` in use, and the directories on the stack; the directory that is open, -1
if none is, the length of its path, and its archive flag (0 none, 1 the archive itself, 2 in a directory of it); the
directory of the work, -1 if none is open; whether a directory was gone; the number of the work; and the bytes of
`text` that the next listing needs."""

IMAGES, FILES, HIGH, LOW, NEWEST, ARCHIVED, HAS_ARCHIVE = range(7)
"""The columns of `Walk.sums`, as in the rows of `kernels.works`."""

WAS_LOST, PROBLEM, ROW_COLUMNS = range(7, 10)
"""The columns of a row of `walk_works` after these: whether a directory of the work was gone, and an error, or 0."""

DONE, MORE_ROOM = np.int64(0), np.int64(-1)
GONE, TOO_LONG = np.int64(errno.ENOENT), np.int64(errno.ENAMETOOLONG)

_open: Any = types.ExternalFunction("openat", types.int32(types.int32, types.intp, types.int32, types.int32))
_close: Any = types.ExternalFunction("close", types.int32(types.int32))
_listing: Any = types.ExternalFunction("syscall", types.int64(types.int64, types.int64, types.intp, types.int64))
_statx: Any = types.ExternalFunction(
    "syscall", types.int64(types.int64, types.int64, types.intp, types.int64, types.int64, types.intp)
)
_errno: Any = types.ExternalFunction("__errno_location", types.intp())
_copy: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))


class Walk(NamedTuple):
    """Memory of one thread.

    state: int64[LEAST_TEXT + 1]. marks: int64[n, 2], of each directory on the stack, where its path begins in `text`,
    and its archive flag. text: uint8, their paths below the work, one behind another. path: uint8, of the directory
    that is open, with a NUL. listing, status: what the kernel of the system writes; uint8 and uint16 are views of
    int64. sums: int64[HAS_ARCHIVE + 1].
    """

    state: npt.NDArray[np.int64]
    marks: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]
    path: npt.NDArray[np.uint8]
    listing: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.uint16]
    status: npt.NDArray[np.int64]
    modes: npt.NDArray[np.uint16]
    sums: npt.NDArray[np.int64]
    error: npt.NDArray[np.int32]


def new_walk() -> Walk:
    """Memory for one thread."""
    listing = np.zeros(LISTING_BYTES // 8, np.int64)
    status = np.zeros(STATX_BYTES // 8, np.int64)
    state = np.zeros(LEAST_TEXT + 1, np.int64)
    state[TOP] = -1
    return Walk(
        state=state,
        marks=np.zeros((2 * MOST_ENTRIES, 2), np.int64),
        text=np.zeros(8 * LISTING_BYTES, np.uint8),
        path=np.zeros(LONGEST_PATH + 2, np.uint8),
        listing=listing.view(np.uint8),
        lengths=listing.view(np.uint16),
        status=status,
        modes=status.view(np.uint16),
        sums=np.zeros(HAS_ARCHIVE + 1, np.int64),
        error=np.zeros(1, np.int32),
    )


def with_room(walk: Walk) -> Walk:
    """The same walk with room for what it asked for."""
    waiting, used = int(walk.state[WAITING]), int(walk.state[USED])
    marks = np.zeros((2 * (waiting + MOST_ENTRIES), 2), np.int64)
    text = np.zeros(2 * int(walk.state[LEAST_TEXT]), np.uint8)
    marks[:waiting], text[:used] = walk.marks[:waiting], walk.text[:used]
    return walk._replace(marks=marks, text=text)


@internal_kernel
def last_error(walk):
    """The number of the error of the last call."""
    _copy(walk.error.ctypes.data, _errno(), 4)
    return np.int64(walk.error[0])


@internal_kernel
def open_next(walk):
    """Open the last directory of the stack; returns an error, or 0. One that is gone is left out."""
    state = walk.state
    while state[WAITING] > 0 and state[FD] < 0:
        state[WAITING] -= 1
        start, flag = walk.marks[state[WAITING], 0], walk.marks[state[WAITING], 1]
        length = state[USED] - start
        is_too_long = length > LONGEST_PATH
        length = min(length, LONGEST_PATH)
        state[USED], state[PATH_LENGTH], state[IN_ARCHIVE] = start, length, flag
        for i in range(length):
            walk.path[i] = walk.text[start + i]
        walk.path[length] = 0
        if is_too_long:
            return TOO_LONG
        if length == 0:
            walk.path[0], walk.path[1] = 46, 0
        state[FD] = _open(state[TOP], walk.path.ctypes.data, OPEN_FLAGS, 0)
        if state[FD] < 0:
            error = last_error(walk)
            if error != GONE:
                return error
            state[LOST] = 1
    return DONE


@internal_kernel
def push(walk, name, length, flag):
    """Put the directory listing[name:name + length] of the open one on the stack."""
    state = walk.state
    walk.marks[state[WAITING], 0], walk.marks[state[WAITING], 1] = state[USED], flag
    state[WAITING] += 1
    at = state[USED]
    if state[PATH_LENGTH]:
        for i in range(state[PATH_LENGTH]):
            walk.text[at + i] = walk.path[i]
        at += state[PATH_LENGTH]
        walk.text[at] = 47
        at += 1
    for i in range(length):
        walk.text[at + i] = walk.listing[name + i]
    state[USED] = at + length


@internal_kernel
def fail_at(walk, name, length, error):
    """Put the path of an entry of the open directory into `path`, and close that; returns the error."""
    state = walk.state
    at = state[PATH_LENGTH]
    if length and at + 1 + length < len(walk.path):
        if at:
            walk.path[at] = 47
            at += 1
        for i in range(length):
            walk.path[at + i] = walk.listing[name + i]
        state[PATH_LENGTH] = at + length
    _close(state[FD])
    state[FD] = -1
    return error


@internal_kernel
def look_at(walk, name):
    """Ask for the status of an entry of the open directory; returns an error, or 0."""
    # Not AT_STATX_DONT_SYNC: Lustre then does not ask the servers that know the size.
    place = walk.listing.ctypes.data + name
    if _statx(STATX, walk.state[FD], place, AT_SYMLINK_NOFOLLOW, WANTED, walk.status.ctypes.data) < 0:
        return last_error(walk)
    return DONE


@internal_kernel
def add_entry(walk, known, counts_all, looks, kind, name, length):
    """Count an entry, or put it on the stack; returns an error, or 0."""
    state, sums = walk.state, walk.sums
    if kind == FILE_TYPE and is_junk(known, walk.listing, name, name + length):
        return DONE
    if kind == UNKNOWN_TYPE or (looks and kind == FILE_TYPE):
        error = look_at(walk, name)
        if error != DONE:
            return DONE if error == GONE else error
        mode = walk.modes[STX_MODE // 2] & TYPE_MASK
        kind = DIRECTORY_TYPE if mode == DIRECTORY_MODE else FILE_TYPE if mode == FILE_MODE else OTHER_TYPE
    if kind == DIRECTORY_TYPE:
        flag = ZERO
        word, size = known.words[0, 0], known.words[0, 1]
        if state[PATH_LENGTH] == 0:
            if length == size and is_text(walk.listing, name, known.text, word, size):
                sums[HAS_ARCHIVE] = flag = ONE
        elif state[IN_ARCHIVE]:
            flag = np.int64(2)
        push(walk, name, length, flag)
    elif kind == FILE_TYPE and not is_junk(known, walk.listing, name, name + length):
        sums[FILES] += 1
        sums[IMAGES] += ONE if counts_all or is_image(known, walk.listing, name, name + length) else ZERO
        if looks:
            size = walk.status[STX_SIZE // 8]
            sums[HIGH] += size >> 32
            sums[LOW] += size & 0xFFFFFFFF
            sums[NEWEST] = max(sums[NEWEST], walk.status[STX_MTIME // 8])
        sums[ARCHIVED] += ONE if state[IN_ARCHIVE] == 2 else ZERO
    return DONE


@internal_kernel
def add_listing(walk, known, counts_all, looks, end):
    """Count the entries of one listing; returns an error, or 0."""
    at = ZERO
    while at < end:
        name = at + ENTRY_HEAD
        length = ZERO
        while walk.listing[name + length] != 0:
            length += 1
        is_dot = walk.listing[name] == 46 and (length == 1 or (length == 2 and walk.listing[name + 1] == 46))
        if not is_dot:
            kind = np.int64(walk.listing[at + ENTRY_HEAD - 1])
            error = add_entry(walk, known, counts_all, looks, kind, name, length)
            if error != DONE:
                return fail_at(walk, name, length, error)
        at += walk.lengths[(at + 16) // 2]
    return DONE


@internal_kernel
def begin(walk):
    """Prepare for the work whose directory is open as TOP."""
    state = walk.state
    state[FD], state[WAITING], state[USED], state[LOST] = -1, 1, 0, 0
    walk.marks[0, 0] = walk.marks[0, 1] = 0
    for column in range(len(walk.sums)):
        walk.sums[column] = 0
    walk.sums[NEWEST] = LEAST


@internal_kernel
def walk_work(walk, known, counts_all, looks):
    """Count the work whose directory is open as TOP; returns DONE, MORE_ROOM, or the number of an error."""
    state = walk.state
    while True:
        error = open_next(walk)
        if error != DONE or state[FD] < 0:
            return error
        while state[FD] >= 0:
            state[LEAST_TEXT] = state[USED] + MOST_ENTRIES * (state[PATH_LENGTH] + 1) + LISTING_BYTES
            if len(walk.text) < state[LEAST_TEXT] or len(walk.marks) < state[WAITING] + MOST_ENTRIES:
                return MORE_ROOM
            size = _listing(GETDENTS64, state[FD], walk.listing.ctypes.data, LISTING_BYTES)
            if size < 0:
                error = last_error(walk)
                if error != GONE:
                    return fail_at(walk, ZERO, ZERO, error)
                state[LOST] = 1
            if size > 0:
                error = add_listing(walk, known, counts_all, looks, size)
                if error != DONE:
                    return error
            else:
                _close(state[FD])
                state[FD] = -1


@compiled
def walk_works(counts_all, looks, paths, starts, rows, text, trees, words, suffixes, now, *arrays):
    """Count works; returns DONE, MORE_ROOM to be called again after `with_room`, or the number of an error.

    After an error, path[:state[PATH_LENGTH]] is what could not be read of the work before state[NEXT], and the others
    are counted by the next call. counts_all: whether every file counts as an image; looks: whether files are looked at
    for their sizes and times. paths: uint8, of the works, each with a NUL; starts: int64[works]. rows: int64[works,
    ROW_COLUMNS], written. text to now: the arrays of WorkTrees; arrays: those of Walk.
    """
    known, walk = WorkTrees(text, trees, words, suffixes, now), Walk(*arrays)
    state = walk.state
    while state[NEXT] < len(starts):
        error = DONE
        if state[TOP] < 0:
            state[PATH_LENGTH] = 0
            state[TOP] = _open(AT_FDCWD, paths.ctypes.data + starts[state[NEXT]], OPEN_FLAGS, 0)
            if state[TOP] < 0:
                error = last_error(walk)
            begin(walk)
        if error == DONE:
            error = walk_work(walk, known, counts_all, looks)
            if error == MORE_ROOM:
                return MORE_ROOM
            _close(state[TOP])
            state[TOP] = -1
        for column in range(HAS_ARCHIVE + 1):
            rows[state[NEXT], column] = walk.sums[column]
        rows[state[NEXT], WAS_LOST], rows[state[NEXT], PROBLEM] = state[LOST], error
        state[NEXT] += 1
        if error != DONE and error != GONE:
            return error
    return DONE
