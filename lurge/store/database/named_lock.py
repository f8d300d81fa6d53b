"""Named locks. At most one process holds each. A lock is released when its process ends, also if it is killed."""

from __future__ import annotations

import fcntl
import logging
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, TYPE_CHECKING

import sqlalchemy as sa

from lurge.atomic import open_lock
from lurge.errors import StoreError
from lurge.store.database.area import OPTIONS

if TYPE_CHECKING:
    from lurge.store.database.engine import Database

SECONDS_TO_DIE = 10

log = logging.getLogger(__name__)


def holder_table(metadata: sa.MetaData) -> sa.Table:
    """Make the table that names the holder of each lock of a server."""
    return sa.Table(
        "job_lock",
        metadata,
        sa.Column("lock_name", sa.String(64), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        **OPTIONS,
    )


HOLDERS = holder_table(sa.MetaData())


class NamedLock(ABC):
    """One lock, from the point of view of one process."""

    @abstractmethod
    def seize(self) -> bool:
        """Take the lock if it is free. Returns whether this process has it now."""

    @abstractmethod
    def is_held(self) -> bool:
        """Return whether this process still has the lock. A server loses its locks when it is restarted."""

    @abstractmethod
    def sign(self, holder: str) -> None:
        """Write down who holds the lock."""

    @abstractmethod
    def signature(self) -> str:
        """Return the holder of the lock, empty if none is written down. Raises StoreError or OSError."""

    @abstractmethod
    def release(self) -> None:
        """Give the lock back, if this process has it."""


class FileLock(NamedLock):
    """A lock on a file, which also names its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def seize(self) -> bool:
        try:
            file = open_lock(self._path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
        except OSError as error:
            raise StoreError(f"cannot lock {self._path}: {error.strerror}") from error
        self._file = file
        return True

    def is_held(self) -> bool:
        return self._file is not None

    def sign(self, holder: str) -> None:
        assert self._file
        self._file.truncate(0)
        self._file.seek(0)
        self._file.write(holder.encode())
        self._file.flush()

    def signature(self) -> str:
        return self._path.read_text(encoding="utf-8", errors="backslashreplace")

    def release(self) -> None:
        if self._file:
            self._file.truncate(0)
            self._file.close()
            self._file = None


class ServerLock(NamedLock):
    """A lock that a server gives to one connection. The table `job_lock` names its holder."""

    def __init__(self, database: Database, name: str, server_name: str) -> None:
        """Make a lock. name: its name in `job_lock`; server_name: its name among all locks of the server."""
        self._database = database
        self._row = name
        self._name = server_name
        self._run = f"lurge.{uuid.uuid4().hex}"
        self._holder = ""
        self._connection: sa.Connection | None = None

    @abstractmethod
    def take(self, connection: sa.Connection, name: str, seconds: int) -> bool:
        """Take a lock of the server. Waits at most `seconds` for it."""

    @abstractmethod
    def give_back(self, connection: sa.Connection, name: str) -> None:
        """Release a lock of the server."""

    @abstractmethod
    def owner(self, connection: sa.Connection, name: str) -> int | None:
        """Return the number of the connection that has a lock; None if it is free."""

    @abstractmethod
    def own_number(self, connection: sa.Connection) -> int:
        """Return the number of a connection."""

    @abstractmethod
    def end(self, connection: sa.Connection, number: int) -> None:
        """End another connection of the same user."""

    def seize(self) -> bool:
        """Take the lock if it is free, or if a lost connection of this run holds it.

        This run holds a second lock, whose name is unique: the connection that has it is this run's. Its number would
        not prove that, because numbers start again when the server is restarted.
        """
        with self._database.translated():
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            taken = self.take(connection, self._name, 0)
            owner = None if taken else self.owner(connection, self._name)
            if owner is not None and owner == self.owner(connection, self._run):
                log.warning("the connection that held the lock was lost: taking the lock from that connection")
                self.end(connection, owner)
                taken = self.take(connection, self._name, SECONDS_TO_DIE)
            if not taken:
                connection.invalidate()
                connection.close()
                return False
            self.take(connection, self._run, SECONDS_TO_DIE)
            self._connection = connection
        return True

    def is_held(self) -> bool:
        connection = self._connection
        try:
            with self._database.translated():
                return connection is not None and self.owner(connection, self._name) == self.own_number(connection)
        except StoreError:
            log.debug("the connection that held the lock is gone", exc_info=True)
            return False

    def sign(self, holder: str) -> None:
        self._holder = holder
        self._database.retrying(lambda: self._write(holder))

    def _write(self, holder: str | None) -> None:
        """Write the row of the holder; without a holder, delete the row if it is still this run's."""
        of_lock = HOLDERS.c.lock_name == self._row
        with self._database.writing() as connection:
            if holder:
                HOLDERS.create(connection, checkfirst=True)
                connection.execute(sa.delete(HOLDERS).where(of_lock))
                connection.execute(sa.insert(HOLDERS).values(lock_name=self._row, holder=holder))
            else:
                connection.execute(sa.delete(HOLDERS).where(of_lock, HOLDERS.c.holder == self._holder))

    def signature(self) -> str:
        with self._database.reading() as connection:
            holder = sa.select(HOLDERS.c.holder).where(HOLDERS.c.lock_name == self._row)
            return connection.execute(holder).scalar() or ""

    def release(self) -> None:
        if self._connection is None:
            return
        try:
            if self._holder:
                self._write(None)
            connection, self._connection = self._connection, None
            # The pool must not get this connection. The server would notice only later that it is closed.
            with self._database.translated():
                self.give_back(connection, self._name)
                connection.invalidate()
                connection.close()
        except StoreError as error:
            log.warning("the lock could not be released, and ends with its connection: %s", error.message)
