"""Files that appear whole or not at all, even if other users may write into the same directory.

A user who may write into a directory can put links there, so that a program writes to another place. Therefore,
unfinished files have names that nobody can guess, and are never opened through a link.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lurge.errors import OutputError, VolumeError

UNFINISHED = ".unfinished"
FRESH_SECONDS = 60
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
EXISTING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

log = logging.getLogger(__name__)


def unfinished_name(name: str) -> str:
    """A temporary name, which nobody can guess, for a file or folder that is renamed to `name` when it is finished."""
    return f".{name}.{secrets.token_hex(8)}{UNFINISHED}"


def open_new(path: Path) -> BinaryIO:
    """Create and open a new file for writing. Raises OSError, also if the file exists."""
    return os.fdopen(os.open(path, NEW, 0o666), "wb")


def open_lock(path: Path) -> BinaryIO:
    """Open a file to lock, or create it. Raises OSError, also if it is a link or not a regular file."""
    refuse_foreign_link(path.parent)
    descriptor = os.open(path, EXISTING, 0o666)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a link, or not a file", str(path))
    return os.fdopen(descriptor, "r+b")


def refuse_foreign_link(folder: Path) -> None:
    """Raise OSError if the path is a link that another user, other than root, made."""
    with suppress(FileNotFoundError):
        status = folder.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise OSError(errno.ELOOP, "it is a link that another user made", str(folder))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash of the machine, if the file system supports that."""
    with suppress(OSError):
        descriptor = os.open(folder, FOLDER)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Make everything in a folder survive a crash of the machine, by syncing its whole file system.

    For many small files this is faster than syncing each of them.

    Raises OSError.
    """
    descriptor = os.open(folder, FOLDER)
    try:
        # syncfs(2)
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file beside `path`, which is renamed to `path` at the end, or removed after any exception.

    Raises OutputError if it cannot be written.
    """
    beside = path.with_name(unfinished_name(path.name))
    try:
        try:
            refuse_foreign_link(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_new(beside) as file:
                # The lock shows that a process is working on the file.
                with suppress(OSError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield file
                file.flush()
                os.fsync(file.fileno())
                beside.replace(path)
            sync_folder(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError.at(path, error) from error


@contextmanager
def writing_volume(folder: Path) -> Iterator[None]:
    """Turn OSError into VolumeError, while something of one volume is written below `folder`."""
    try:
        yield
    except OSError as error:
        raise VolumeError(
            f"cannot write below {folder}: {error.strerror or error}", "Free space or correct the permissions."
        ) from error


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder for this user only. It is removed at the end with its contents. Raises OSError."""
    refuse_foreign_link(folder)
    path = folder / unfinished_name("folder")
    path.mkdir(mode=0o700)
    try:
        descriptor = os.open(path, FOLDER)
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def is_abandoned(path: Path) -> bool:
    """True if an unfinished file or folder belongs to this user and is not locked, so no process is working on it."""
    try:
        status = path.lstat()
        if status.st_uid != os.geteuid() or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return False
        # On a network file system, only a file that is open for writing can be locked.
        access = os.O_RDONLY if stat.S_ISDIR(status.st_mode) else os.O_RDWR
        descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def remove_abandoned(folder: Path, fresh_seconds: float = FRESH_SECONDS) -> None:
    """Remove the unfinished files and folders that killed processes of this user left behind.

    fresh_seconds: minimum age. Younger files are kept, because their process may be about to lock them.
    """
    try:
        refuse_foreign_link(folder)
        paths = [path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(UNFINISHED)]
    except OSError:
        return
    for path in paths:
        # Another process may remove it at the same time.
        with suppress(OSError):
            if time.time() - path.lstat().st_ctime < fresh_seconds or not is_abandoned(path):
                continue
            log.info("removing %s, which a killed process left behind", path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
