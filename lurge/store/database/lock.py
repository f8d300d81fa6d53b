"""One run at a time: who works on a database holds its lock."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import logging
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import sqlalchemy as sa

from lurge.atomic import open_lock
from lurge.errors import LockHeld, StoreError
from lurge.logs import batch_job
from lurge.model.names import storable_name
from lurge.store.database import Database
from lurge.store.usage import schema

NAME = "lurge"
SECONDS_TO_DIE = 10

log = logging.getLogger(__name__)


class RunLock:
    """The right to change a database.

    On SQLite a lock on a file beside it, on MySQL a lock of a connection's: both end with the process that holds them,
    however it dies. The file, or the table `job_lock`, says who that is, for whoever comes second.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._file: IO[bytes] | None = None
        self._connection: sa.Connection | None = None
        self._run = uuid.uuid4().hex
        self._holder = ""

    def take(self, job: str) -> None:
        """Take the lock for `job`, or raise LockHeld, which says who has it since when."""
        self._holder = storable_name(f"{holder(job)} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        self._database.retrying(self._seize)

    def announce(self) -> None:
        """Write down who holds the lock; the tables must be there."""
        if self._file:
            self._file.truncate(0)
            self._file.seek(0)
            self._file.write(self._holder.encode())
            self._file.flush()
        else:
            self._database.retrying(lambda: self._write_row(self._holder))

    def _write_row(self, text: str | None) -> None:
        with self._database.writing() as connection:
            stale = sa.delete(schema.job_lock)
            connection.execute(stale if text else stale.where(schema.job_lock.c.holder == self._holder))
            if text:
                connection.execute(sa.insert(schema.job_lock).values(lock_name=NAME, holder=text))

    def confirm(self) -> None:
        """Make sure that the lock is still held: a server that was started again has forgotten it.

        Raises LockHeld where another run has it now, StoreUnavailable where the server does not answer.
        """
        if self._database.is_sqlite:
            return
        held = sa.func.is_used_lock(self._server_name()) == sa.func.connection_id()
        try:
            with self._database.translated():
                if self._connection is not None and self._connection.execute(sa.select(held)).scalar():
                    return
        except StoreError:
            log.debug("the connection that held the lock is gone", exc_info=True)
        self._seize()

    def release(self) -> None:
        if self._file:
            self._file.truncate(0)
            self._file.close()
        if self._connection:
            try:
                self._write_row(None)
                self._forget_connection()
            except StoreError as error:
                log.warning("the lock ends with its connection: %s", error.message)

    def _forget_connection(self) -> None:
        """Close the lock's connection, instead of giving it back to the pool."""
        connection, self._connection = self._connection, None
        if connection:
            with self._database.translated():
                connection.invalidate()
                connection.close()

    def _seize(self) -> None:
        free = self._lock_file() if self._database.is_sqlite else self._lock_server()
        if not free:
            raise LockHeld(f"database {self._database} is being changed by {self._who()}")

    def _lock_file(self) -> bool:
        path = f"{self._database}.lock"
        try:
            file = open_lock(Path(path))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from error
        self._file = file
        return True

    def _lock_server(self) -> bool:
        """Take the server's lock. One that a lost connection of this very run still holds is taken from it.

        A second lock, whose name is this run's alone, tells whose connection it is: their numbers begin again with a
        server that was started again.
        """
        with self._database.translated():
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            name, own = self._server_name(), f"{NAME}.{self._run}"
            taken = connection.execute(sa.select(sa.func.get_lock(name, 0))).scalar()
            owners = sa.select(sa.func.is_used_lock(name), sa.func.is_used_lock(own))
            owner, mine = connection.execute(owners).one()
            if not taken and owner is not None and owner == mine:
                log.warning("the connection that held the lock was lost: taking the lock from it")
                connection.exec_driver_sql(f"KILL {int(owner)}")
                taken = connection.execute(sa.select(sa.func.get_lock(name, SECONDS_TO_DIE))).scalar()
            if not taken:
                connection.invalidate()
                connection.close()
                return False
            connection.execute(sa.select(sa.func.get_lock(own, SECONDS_TO_DIE)))
            self._connection = connection
        return True

    def _server_name(self) -> str:
        """Locks belong to a server: the database's name, at a length that any server takes."""
        database = self._database.engine.url.database or ""
        return f"{NAME}.{hashlib.sha256(database.encode()).hexdigest()[:32]}"

    def _who(self) -> str:
        try:
            if self._database.is_sqlite:
                found = Path(f"{self._database}.lock").read_text(encoding="utf-8", errors="backslashreplace")
            else:
                with self._database.reading() as connection:
                    found = connection.execute(sa.select(schema.job_lock.c.holder)).scalar() or ""
        except (StoreError, OSError):
            found = ""
        return found or "another run that has just begun"


def holder(job: str) -> str:
    """Who this is, as people look for it."""
    job_number = batch_job()
    batch = f", job {job_number}" if job_number else ""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{job}, process {os.getpid()} of {user} on {socket.gethostname()}{batch}"


@contextmanager
def sole_run(database: Database, job: str) -> Iterator[RunLock]:
    """Hold the lock, with the schema up to date. Raises LockHeld where another run has it."""
    from lurge.store.database.upgrade import upgrade

    lock = RunLock(database)
    lock.take(job)
    try:
        database.prepare_journal()
        database.retrying(lambda: upgrade(database))
        lock.announce()
        yield lock
    finally:
        database.tidy_journal()
        lock.release()
