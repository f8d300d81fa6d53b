"""Files that appear whole or not at all, also where others may write into the same directory.

Whoever may write into a directory can put links there, to let a program write elsewhere. So files that are not finished
have names that nobody can guess, and are never opened through a link.
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

from lurge.errors import OutputError

UNFINISHED = ".unfinished"
FRESH_SECONDS = 60
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
EXISTING = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

log = logging.getLogger(__name__)


def unfinished_name(name: str) -> str:
    """A name for what becomes `name` when it is finished; nobody can guess it."""
    return f".{name}.{secrets.token_hex(8)}{UNFINISHED}"


def open_new(path: Path) -> BinaryIO:
    """A file that is not there yet, to write. Raises OSError."""
    return os.fdopen(os.open(path, NEW, 0o666), "wb")


def open_lock(path: Path) -> BinaryIO:
    """A file to lock, made if it is missing. Raises OSError, also if it is a link or anything but a file."""
    refuse_foreign_link(path.parent)
    descriptor = os.open(path, EXISTING, 0o666)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a link, or not a file", str(path))
    return os.fdopen(descriptor, "r+b")


def refuse_foreign_link(folder: Path) -> None:
    """Raise OSError if another user, but not root, put a link in the place of a folder, or of a file."""
    with suppress(FileNotFoundError):
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (0, os.geteuid()):
            raise OSError(errno.ELOOP, "it is a link that another user made", str(folder))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a crash of the machine, where the file system lets us."""
    with suppress(OSError):
        descriptor = os.open(folder, FOLDER)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Make everything in a folder outlive a crash of the machine; for many small files faster than one by one.

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
    """A file that is written beside `path` and renamed to it at the end; removed where anything fails.

    Raises OutputError where it cannot be written.
    """
    beside = path.with_name(unfinished_name(path.name))
    try:
        try:
            refuse_foreign_link(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_new(beside) as file:
                # As long as it is locked, somebody works on it.
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
def unfinished_folder(folder: Path) -> Iterator[Path]:
    """A new folder for this user alone, to be emptied by who uses it; removed at the end. Raises OSError."""
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
    """Whether an unfinished file or folder is this user's, and nobody works on it: whoever does has locked it."""
    try:
        found = path.lstat()
        if found.st_uid != os.geteuid() or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return False
        # A lock on a network file system needs a file that is open for writing.
        access = os.O_RDONLY if stat.S_ISDIR(found.st_mode) else os.O_RDWR
        descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def remove_abandoned(folder: Path, fresh_seconds: float = FRESH_SECONDS) -> None:
    """Remove the unfinished files and folders of this user that nobody works on: those of killed processes.

    fresh_seconds: what is younger is left alone, because it may be just about to be locked.
    """
    try:
        refuse_foreign_link(folder)
        found = [path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(UNFINISHED)]
    except OSError:
        return
    for path in found:
        # Others may tidy at the same time.
        with suppress(OSError):
            if time.time() - path.lstat().st_ctime < fresh_seconds or not is_abandoned(path):
                continue
            log.info("removing %s, which a process left that was killed", path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
