"""The files of one ticket: locked while they change, and always whole for readers."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lurge.tickets.errors import InvalidTicketId, JobTrackerError, TicketNotFound

TICKET_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,127})"
)
UNFINISHED = ".unfinished"
Document = dict[str, Any]


def is_ticket_id(text: object) -> bool:
    """True if `text` has the form `<uuid4>-<hostname>`."""
    return isinstance(text, str) and TICKET_ID.fullmatch(text) is not None


def refuse_foreign_link(directory: Path) -> None:
    """Raise OSError if a directory is a link that another user, except root, made."""
    if directory.is_symlink() and directory.lstat().st_uid not in (0, os.geteuid()):
        raise OSError(errno.ELOOP, "it is a link that another user made", str(directory))


class TicketFiles:
    """The files of a ticket in `directory`/<ticket>. Raises InvalidTicketId before an id touches a path."""

    def __init__(self, directory: Path, ticket_id: str) -> None:
        if not is_ticket_id(ticket_id):
            raise InvalidTicketId(f"{ticket_id!r} is not a ticket id")
        self.ticket_id = ticket_id
        self.folder = directory / ticket_id
        self.document = self.folder / f"{ticket_id}.json"
        self.timestamp = self.folder / f"{ticket_id}_TIMESTAMP.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the ticket's lock. The lock ends with its process."""
        try:
            refuse_foreign_link(self.folder.parent)
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            with os.fdopen(descriptor) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for left in self.folder.glob(f"*{UNFINISHED}"):
                    left.unlink(missing_ok=True)
                yield
        except OSError as error:
            raise JobTrackerError(f"{error.filename or self.folder}: {error.strerror or error}") from error

    def read(self, path: Path) -> Document:
        """The content of a file. Raises TicketNotFound, or JobTrackerError if the file is damaged."""
        try:
            value = json.loads(self._content(path))
        except FileNotFoundError as error:
            raise TicketNotFound(f"no ticket {self.ticket_id} in {self.folder.parent}") from error
        except (OSError, ValueError) as error:
            raise JobTrackerError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        if not isinstance(value, dict):
            raise JobTrackerError(f"{path} does not hold an object")
        return value

    @staticmethod
    def _content(path: Path) -> bytes:
        """The bytes of a regular file. Raises OSError. A pipe in its place does not block."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            return file.read()

    @staticmethod
    def write(path: Path, value: Document) -> None:
        """Write a file beside `path` and rename it. The caller holds the lock."""
        # A name that nobody can guess, so that nobody can put a link there.
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        # Without this a crash of the machine may take the new name back.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Some file systems cannot; the file itself is safe.
            with suppress(OSError):
                os.fsync(folder)
        finally:
            os.close(folder)
