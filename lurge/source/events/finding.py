"""Files of events in a directory: which ones are there, and whether they are whole."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from lurge.errors import LedgerError

SUFFIX, REJECTS, DONE = ".csv", ".rejects.csv", "done"


def find_files(places: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that are given, and those of directories: `*.csv`, in the order of their names.

    Raises LedgerError if a place cannot be read.
    """
    for place in places:
        try:
            if place.is_dir():
                names = sorted(entry.name for entry in os.scandir(place) if is_wanted(entry))
                yield from (place / name for name in names)
            else:
                place.stat()
                yield place
        except OSError as error:
            raise LedgerError(f"{place}: {error.strerror}", "Give files of events, or directories of them.") from error


def is_wanted(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry of a directory is a file of events."""
    name = entry.name
    if not name.endswith(SUFFIX) or name.endswith(REJECTS) or name.startswith("."):
        return False
    # A link may lead to another user's file.
    return entry.is_file(follow_symlinks=False)


class Settling:
    """Knowledge of files that are not whole yet: since when each is as it is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Path, tuple[tuple[int, int, int], float]] = {}

    def keep(self, paths: Iterable[Path]) -> None:
        """Forget all files but some."""
        known = set(paths)
        self._seen = {path: seen for path, seen in self._seen.items() if path in known}

    def is_whole(self, path: Path) -> bool:
        """Return whether a file is whole: no process has it open for writing.

        A kernel grants a lease for reading only if nobody has the file open for writing; see fcntl(2). Network file
        systems, and files of other users, have no leases: there a file is whole if it did not change for a while, by
        this clock, because clocks differ. Raises OSError.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                # It is no file, and will not become one.
                return True
            has_writer = is_written(descriptor)
        finally:
            os.close(descriptor)
        state = status.st_ino, status.st_size, status.st_mtime_ns
        before, since = self._seen.get(path, (None, 0.0))
        if state != before:
            since = time.monotonic()
            self._seen[path] = state, since
        is_settled = time.monotonic() - since >= self._seconds
        # Somebody may have made an empty file to fill it soon.
        is_closed = has_writer is False and status.st_size > 0
        if is_closed or (is_settled and not has_writer):
            del self._seen[path]
            return True
        return False


def is_written(descriptor: int) -> bool | None:
    """Return whether some process has a file open for writing; None if the kernel does not tell."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
