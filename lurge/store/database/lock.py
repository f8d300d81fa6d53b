"""The lock of an area, so that one run at a time changes it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from lurge.display import display
from lurge.errors import LockHeld, StoreError
from lurge.logs import batch_job
from lurge.model.names import storable_name
from lurge.store.database.area import Area
from lurge.store.database.engine import Database
from lurge.store.database.upgrade import upgrade


class RunLock:
    """The lock of an area, for one run.

    On SQLite it is a lock on a file beside the database, on a server a lock of a connection. Both are released
    when the process ends, also if it is killed. The file, or the table `job_lock`, names the holder for other runs.
    """

    def __init__(self, database: Database, area: Area) -> None:
        self._database = database
        self._lock = database.dialect.named_lock(database, area.lock_suffix)
        self._holder = ""

    def take(self, job: str) -> None:
        """Take the lock for `job`. Raises LockHeld, which names the holder and says since when it has the lock."""
        self._holder = storable_name(f"{holder(job)} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        self._database.retrying(self._seize)

    def announce(self) -> None:
        """Write down who holds the lock. The tables must exist."""
        self._lock.sign(self._holder)

    def confirm(self) -> None:
        """Make sure that the lock is held. If it was lost with its connection, take it again.

        Raises LockHeld if another run has it now, StoreUnavailable if the server does not answer.
        """
        if not self._lock.is_held():
            self._seize()

    def release(self) -> None:
        self._lock.release()

    def _seize(self) -> None:
        if not self._lock.seize():
            raise LockHeld(f"database {self._database} is being changed by {self._who()}")

    def _who(self) -> str:
        try:
            signature = self._lock.signature()
        except (StoreError, OSError):
            signature = ""
        return signature or "another run that has just begun"


def holder(job: str) -> str:
    """Describe this process: job, process, user, host and the scheduler's number."""
    job_number = batch_job()
    batch = f", job {job_number}" if job_number else ""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{job}, process {os.getpid()} of {display(user)} on {socket.gethostname()}{batch}"


@contextmanager
def sole_run(database: Database, area: Area, job: str) -> Iterator[RunLock]:
    """Hold the lock of an area, and bring its schema up to date. Raises LockHeld if another run has the lock."""
    lock = RunLock(database, area)
    database.dialect.make()
    lock.take(job)
    try:
        database.dialect.prepare()
        database.retrying(lambda: upgrade(database, area))
        lock.announce()
        yield lock
    finally:
        database.dialect.tidy(database.engine)
        lock.release()
