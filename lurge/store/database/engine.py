"""Opening the database: connections, transactions, what to do when it goes away."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, StoreUnavailable
from lurge.store.database.dialect import OPTION, WRITING, Dialect
from lurge.store.database.mysql import MySQL
from lurge.store.database.postgresql import PostgreSQL
from lurge.store.database.sqlite import SQLite

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
NO_DATABASE_ADVICE = "`lurge report` and `lurge db upgrade` make it; or correct database.url."
HOST_ADVICE = "Correct the host in database.url, or see why this machine cannot resolve it."
PASSWORD_ADVICE = "Check the user in database.url, and $LURGE_DB_PASSWORD or database.password_file."  # noqa: S105
DIALECTS: dict[str, type[Dialect]] = {"sqlite": SQLite, "mysql": MySQL, "postgresql": PostgreSQL}
"""By the first word of a URL."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Database:
    """The database of one site, of any kind that a dialect knows.

    Every method raises StoreError where the database refuses, StoreUnavailable where trying again may help.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        self._retry_seconds = config.retry_seconds
        self.swap = config.swap
        self.dialect = dialect_for(config)
        self.engine = self.dialect.make_engine()
        self.engine.update_execution_options(**{OPTION: self.dialect})
        self._reached = False
        sa.event.listen(self.engine, "connect", partial(note_reached, weakref.ref(self)))
        self._close = weakref.finalize(self, close_all, self.engine, self.dialect)

    def __str__(self) -> str:
        return self.dialect.title(self.engine.url)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and changes nothing. No database is made if there is none."""
        if not self.dialect.exists():
            raise StoreError(f"there is no database {self}", NO_DATABASE_ADVICE)
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end, or not at all."""
        with self._transaction(writing=True) as connection:
            yield connection

    @contextmanager
    def stepping(self) -> Iterator[sa.Connection]:
        """A connection for several transactions, each of which ends with its `commit`."""
        self.dialect.open(writing=True)
        with self.translated(), self.engine.connect().execution_options(**{WRITING: True}) as connection:
            yield connection

    @contextmanager
    def _transaction(self, writing: bool) -> Iterator[sa.Connection]:
        self.dialect.open(writing)
        options = {WRITING: writing, **({} if writing else self.dialect.reading_options)}
        with self.translated(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What the driver raises, as our own errors."""
        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:
            cause = getattr(error, "orig", None) or error
            message = f"database {self}: {self.dialect.message(cause)}"
            if self.dialect.is_unknown_host(cause) and not self._reached:
                raise StoreError(message, HOST_ADVICE) from error
            if self.dialect.is_denied(cause):
                raise StoreError(message, PASSWORD_ADVICE) from error
            raise (StoreUnavailable if self.dialect.may_pass(error) else StoreError)(message) from error

    def retrying(self, work: Callable[[], T]) -> T:
        """What `work` returns; done again, after longer and longer waits, while the database is unavailable."""
        ends = time.monotonic() + self._retry_seconds
        pause = FIRST_PAUSE
        while True:
            try:
                return work()
            except StoreUnavailable as error:
                left = ends - time.monotonic()
                if left <= 0:
                    raise
                pause = min(pause, left)
                log.warning("%s; trying again in %.1f s", error.message, pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def missing_privileges(self, tables: Collection[str]) -> list[str]:
        """The privileges that the user needs for some tables and does not have, as far as the server says."""
        with self.reading() as connection:
            return self.dialect.missing_privileges(connection, tables)

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        close_all(self.engine, self.dialect)


def dialect_for(config: DatabaseConfig) -> Dialect:
    """The dialect of a database. Raises StoreError if lurge knows none of that name."""
    name = config.url.partition(":")[0].partition("+")[0]
    if name not in DIALECTS:
        raise StoreError(f"lurge has no database of the kind {name!r}", f"It has {', '.join(DIALECTS)}.")
    return DIALECTS[name](config)


def note_reached(database: weakref.ref[Database], *_: object) -> None:
    """Remember that the server was there, so that its name is right: if it cannot be resolved later, that may pass."""
    if alive := database():
        alive._reached = True


def close_all(engine: sa.Engine, dialect: Dialect) -> None:
    """Close the connections of an engine, and after them what its dialect holds."""
    engine.dispose()
    dialect.close()
