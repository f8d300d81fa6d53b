"""The kernel that counts the files of one work by walking it: Linux system calls, without the interpreter's lock.

Directories are listed by getdents64, whose entries tell files from directories. Files are looked at by statx, if their
sizes and times are wanted, which takes most of the time.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import ONE, ZERO, compiled, internal_kernel
from lurge.kernels.system import (
    AT_FDCWD,
    DIRECTORY_MODE,
    DIRECTORY_TYPE,
    ENTRY_HEAD,
    FILE_MODE,
    FILE_TYPE,
    GONE,
    LISTING_BYTES,
    LONGEST_PATH,
    MOST_ENTRIES,
    OPEN_FLAGS,
    OTHER_TYPE,
    STATX_MTIME,
    STATX_SIZE,
    STATX_TYPE,
    STX_MODE,
    STX_MTIME,
    STX_SIZE,
    TOO_LONG,
    TYPE_MASK,
    UNKNOWN_TYPE,
    close,
    is_dot,
    last_error,
    length_of,
    list_next,
    look_at,
    new_buffers,
    open_at,
)
from lurge.kernels.works import LEAST, WorkTrees, is_image, is_junk, is_text

WANTED = STATX_TYPE | STATX_MTIME | STATX_SIZE

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
    state = np.zeros(LEAST_TEXT + 1, np.int64)
    state[TOP] = -1
    return Walk(
        state=state,
        marks=np.zeros((2 * MOST_ENTRIES, 2), np.int64),
        text=np.zeros(8 * LISTING_BYTES, np.uint8),
        path=np.zeros(LONGEST_PATH + 2, np.uint8),
        sums=np.zeros(HAS_ARCHIVE + 1, np.int64),
        **new_buffers(),
    )


def with_room(walk: Walk) -> Walk:
    """The same walk with room for what it asked for."""
    waiting, used = int(walk.state[WAITING]), int(walk.state[USED])
    marks = np.zeros((2 * (waiting + MOST_ENTRIES), 2), np.int64)
    text = np.zeros(2 * int(walk.state[LEAST_TEXT]), np.uint8)
    marks[:waiting], text[:used] = walk.marks[:waiting], walk.text[:used]
    return walk._replace(marks=marks, text=text)


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
        state[FD] = open_at(state[TOP], walk.path.ctypes.data, OPEN_FLAGS | os.O_NOFOLLOW, 0)
        if state[FD] < 0:
            error = last_error(walk.error)
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
    close(state[FD])
    state[FD] = -1
    return error


@internal_kernel
def add_entry(walk, known, counts_all, looks, kind, name, length):
    """Count an entry, or put it on the stack; returns an error, or 0."""
    state, sums = walk.state, walk.sums
    if kind == FILE_TYPE and is_junk(known, walk.listing, name, name + length):
        return DONE
    if kind == UNKNOWN_TYPE or (looks and kind == FILE_TYPE):
        if look_at(state[FD], walk.listing.ctypes.data + name, WANTED, walk.status) < 0:
            error = last_error(walk.error)
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
        length = length_of(walk.listing, name)
        if not is_dot(walk.listing, name):
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
            size = list_next(state[FD], walk.listing)
            if size < 0:
                error = last_error(walk.error)
                if error != GONE:
                    return fail_at(walk, ZERO, ZERO, error)
                state[LOST] = 1
            if size > 0:
                error = add_listing(walk, known, counts_all, looks, size)
                if error != DONE:
                    return error
            else:
                close(state[FD])
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
            start = paths.ctypes.data + starts[state[NEXT]]
            state[TOP] = open_at(AT_FDCWD, start, OPEN_FLAGS | os.O_NOFOLLOW, 0)
            if state[TOP] < 0:
                error = last_error(walk.error)
            begin(walk)
        if error == DONE:
            error = walk_work(walk, known, counts_all, looks)
            if error == MORE_ROOM:
                return MORE_ROOM
            close(state[TOP])
            state[TOP] = -1
        for column in range(HAS_ARCHIVE + 1):
            rows[state[NEXT], column] = walk.sums[column]
        rows[state[NEXT], WAS_LOST], rows[state[NEXT], PROBLEM] = state[LOST], error
        state[NEXT] += 1
        if error != DONE and error != GONE:
            return error
    return DONE
