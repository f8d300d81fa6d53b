"""System calls of Linux for kernels, without the interpreter's lock: to open and list directories, and to look at
entries.
"""

from __future__ import annotations

import errno
import os
import platform
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import types

from lurge.kernels.compiling import internal_kernel

LISTING_BYTES = 1 << 15
"""Bytes of entries that are asked for at once."""

LEAST_ENTRY, ENTRY_HEAD = 24, 19
"""Bytes of the smallest entry, and of an entry before its name: inode, offset, length and type (getdents64(2))."""

MOST_ENTRIES = LISTING_BYTES // LEAST_ENTRY
LONGEST_PATH = 4096
"""Bytes of a path that the system takes, with its NUL (PATH_MAX)."""

STATX_BYTES = 256
STX_NLINK, STX_UID, STX_GID, STX_MODE, STX_INO, STX_SIZE, STX_BLOCKS = 16, 20, 24, 28, 32, 40, 48
STX_ATIME, STX_CTIME, STX_MTIME, STX_DEV_MAJOR, STX_DEV_MINOR = 64, 96, 112, 136, 140
"""Places in what statx(2) writes."""

STATX_TYPE, STATX_MTIME, STATX_SIZE, STATX_BASIC_STATS = np.int64(0x1), 0x40, 0x200, np.int64(0x7FF)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT = np.int64(-100), 0x100, 0x800
OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
NONE = -1
"""The number of no call: that of a machine whose numbers are not listed here."""

GETDENTS64 = {"x86_64": 217, "aarch64": 61, "ppc64le": 202, "s390x": 220}.get(platform.machine(), NONE)
STATX = {"x86_64": 332, "aarch64": 291, "ppc64le": 383, "s390x": 379}.get(platform.machine(), NONE)

DIRECTORY_TYPE, FILE_TYPE, UNKNOWN_TYPE, OTHER_TYPE = (np.int64(kind) for kind in (4, 8, 0, 1))
"""Types of entries (getdents64(2)), of which other ones are alike."""

TYPE_MASK, DIRECTORY_MODE, FILE_MODE = 0o170000, 0o040000, 0o100000
GONE, TOO_LONG = np.int64(errno.ENOENT), np.int64(errno.ENAMETOOLONG)
TOO_MANY_OPEN, TOO_MANY_OPEN_HERE = np.int64(errno.EMFILE), np.int64(errno.ENFILE)

open_at: Any = types.ExternalFunction("openat", types.int32(types.int32, types.intp, types.int32, types.int32))
close: Any = types.ExternalFunction("close", types.int32(types.int32))
_listing: Any = types.ExternalFunction("syscall", types.int64(types.int64, types.int64, types.intp, types.int64))
_statx: Any = types.ExternalFunction(
    "syscall", types.int64(types.int64, types.int64, types.intp, types.int64, types.int64, types.intp)
)
_errno: Any = types.ExternalFunction("__errno_location", types.intp())
copy: Any = types.ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))


def new_buffers() -> dict[str, npt.NDArray[Any]]:
    """Memory for what the system writes, by the names of the fields of a walk's memory.

    listing: uint8[LISTING_BYTES], and as uint16 its `lengths`. status: int64[STATX_BYTES / 8], and as uint16 its
    `modes`. error: int32[1].
    """
    listing, status = np.zeros(LISTING_BYTES // 8, np.int64), np.zeros(STATX_BYTES // 8, np.int64)
    return {
        "listing": listing.view(np.uint8), "lengths": listing.view(np.uint16),
        "status": status, "modes": status.view(np.uint16),
        "error": np.zeros(1, np.int32),
    }  # fmt: skip


@internal_kernel
def last_error(error):
    """The number of the error of the last call. error: int32[1], scratch."""
    copy(error.ctypes.data, _errno(), 4)
    return np.int64(error[0])


@internal_kernel
def list_next(fd, listing):
    """Read the next entries of an open directory into `listing`; returns their bytes, less than 0 for an error."""
    return _listing(GETDENTS64, fd, listing.ctypes.data, LISTING_BYTES)


@internal_kernel
def look_at(fd, place, wanted, status):
    """Fill `status` by statx; returns less than 0 for an error. fd, place: the directory, and the name's address."""
    # Not AT_STATX_DONT_SYNC: Lustre then does not ask the servers that know the size.
    return _statx(STATX, fd, place, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, wanted, status.ctypes.data)


@internal_kernel
def is_dot(listing, name):
    """True if the name that begins at listing[name] is that of the directory itself or of the one above."""
    if listing[name] != 46:
        return False
    return listing[name + 1] == 0 or (listing[name + 1] == 46 and listing[name + 2] == 0)


@internal_kernel
def length_of(text, start):
    """The bytes from text[start] to the next NUL."""
    at = start
    while text[at] != 0:
        at += 1
    return at - start
