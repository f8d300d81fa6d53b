"""The database: its connections and transactions, and retries if it is unavailable."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, StoreUnavailable
from lurge.store.database.dialect import OPTION, WRITING, Dialect

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
NO_DATABASE_ADVICE = "`lurge report` and `lurge db upgrade` create it; or correct database.url."
HOST_ADVICE = "Correct the host in database.url, or find out why this machine cannot resolve it."
PASSWORD_ADVICE = "Check the user in database.url, and $LURGE_DB_PASSWORD or database.password_file."  # noqa: S105
DIALECTS = {"sqlite": "SQLite", "mysql": "MySQL", "postgresql": "PostgreSQL"}
"""Dialects by the beginning of the URL, up to `+` or `:`. Each is a class in a module of that name."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Database:
    """The database of one site.

    Every method raises StoreUnavailable if trying again may help, and StoreError for every other error of the database.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        self.retry_seconds = config.retry_seconds
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
        """Open a transaction that sees one state and changes nothing. Raises StoreError if the database is missing."""
        if not self.dialect.exists():
            raise StoreError(f"the database {self} does not exist", NO_DATABASE_ADVICE)
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that is committed at the end, or rolled back on an exception."""
        with self._transaction(writing=True) as connection:
            yield connection

    @contextmanager
    def stepping(self) -> Iterator[sa.Connection]:
        """Open a connection for several transactions. Each ends with a call of its `commit`."""
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
        """Raise the driver's errors as lurge's own."""
        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:
            cause = getattr(error, "orig", None) or error
            message = f"database {self}: {self.dialect.message(cause)}"
            if self.dialect.is_unknown_host(cause) and not self._reached:
                raise StoreError(message, HOST_ADVICE) from error
            if self.dialect.is_denied(cause):
                raise StoreError(message, PASSWORD_ADVICE) from error
            raise (StoreUnavailable if self.dialect.is_transient(error) else StoreError)(message) from error

    def retrying(self, work: Callable[[], T]) -> T:
        """Return the result of `work`. While the database is unavailable, try again after longer and longer pauses."""
        deadline = time.monotonic() + self.retry_seconds
        pause = FIRST_PAUSE
        while True:
            try:
                return work()
            except StoreUnavailable as error:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                pause = min(pause, left)
                log.warning("%s; trying again in %.1f s", error.message, pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def missing_privileges(self, tables: Collection[str]) -> list[str]:
        """Return the privileges on `tables` that the user needs and lacks, as far as the server tells."""
        with self.reading() as connection:
            return self.dialect.missing_privileges(connection, tables)

    def close(self) -> None:
        """Close every connection. The next use opens new ones."""
        close_all(self.engine, self.dialect)


def dialect_for(config: DatabaseConfig) -> Dialect:
    """Make the dialect that a URL names. Raises StoreError if lurge does not have it."""
    name = config.url.partition(":")[0].partition("+")[0]
    if name not in DIALECTS:
        raise StoreError(f"database.url: lurge does not support {name!r}", f"It supports {', '.join(DIALECTS)}.")
    dialect: type[Dialect] = getattr(import_module(f"lurge.store.database.{name}"), DIALECTS[name])
    return dialect(config)


def note_reached(database: weakref.ref[Database], *_: object) -> None:
    """Remember that the server was reached. Its name is right, so a later failure to resolve it is transient."""
    if alive := database():
        alive._reached = True


def close_all(engine: sa.Engine, dialect: Dialect) -> None:
    """Close the connections of an engine, and then its dialect."""
    engine.dispose()
    dialect.close()
