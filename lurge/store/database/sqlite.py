"""SQLite: a file, with one writer at a time."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from lurge.atomic import refuse_foreign_link
from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError
from lurge.store.database.dialect import WRITING, Dialect, Row
from lurge.store.database.journal import choose_journal, empty_log, keeper
from lurge.store.database.named_lock import FileLock, NamedLock

PREFIX = "sqlite:///"
BUSY_SECONDS = 5
PARAMETERS_A_STATEMENT = 999
"""The number that every SQLite accepts. Many rows in one statement are twice as fast as one statement a row."""

CACHE_KIB = 64 * 1024
"""The cache of a connection that writes. What does not fit goes to the log before the commit, and is slow to read."""

INSTRUCTIONS = 100_000
"""SQLite looks at the clock each time after so many of its instructions, if statements are limited."""

TRANSIENT = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""SQLite's numbers of transient errors: another connection reads or writes."""


class SQLite(Dialect):
    """A file of SQLite. No character of its path has a special meaning."""

    has_one_writer = True

    def __init__(self, config: DatabaseConfig) -> None:
        super().__init__(config)
        self._path = config.url.removeprefix(PREFIX)
        self._keepers: list[sqlite3.Connection] = []
        self._had_log: bool | None = None

    def make_engine(self) -> sa.Engine:
        """Make an engine. Raises StoreError if a link of another user leads to the file."""
        path = self._path
        try:
            refuse_foreign_link(Path(path))
        except OSError as error:
            raise StoreError(f"cannot open {path}: {error.strerror}") from error
        engine = sa.create_engine(sa.URL.create("sqlite", database=path), connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", no_implicit_transactions)
        sa.event.listen(engine, "begin", begin)
        return engine

    def title(self, url: sa.URL) -> str:
        return str(url.database)

    def is_transient(self, error: BaseException) -> bool:
        cause = getattr(error, "orig", None)
        # The lowest byte of an extended code is the code (sqlite.org/rescode.html).
        return (
            isinstance(cause, sqlite3.OperationalError)
            and getattr(cause, "sqlite_errorcode", 0) & 0xFF in TRANSIENT
        )  # fmt: skip

    def insert(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        quote = connection.dialect.identifier_preparer.quote
        insert = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) VALUES "  # noqa: S608 - names come from the schema
        row = f"({', '.join('?' * len(columns))})"
        rows = iter(rows)
        while chunk := list(islice(rows, PARAMETERS_A_STATEMENT // len(columns))):
            connection.exec_driver_sql(insert + ", ".join([row] * len(chunk)), tuple(chain.from_iterable(chunk)))

    def upserting(self, table: sa.Table) -> Any:
        return sqlite.insert(table)

    def limit(self, connection: sa.Connection, seconds: int | None) -> None:
        driver: Any = connection.connection.driver_connection
        if seconds is None:
            driver.set_progress_handler(None, 0)
            return
        deadline = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS)

    def server(self, connection: sa.Connection) -> str:
        return f"SQLite {connection.exec_driver_sql('SELECT sqlite_version()').scalar()}"

    def named_lock(self, database: object, suffix: str) -> NamedLock:
        return FileLock(Path(f"{self._path}{suffix}.lock"))

    def exists(self) -> bool:
        try:
            return Path(self._path).exists()
        except PermissionError:
            # Opening it gives a better error.
            return True

    def make(self) -> None:
        path = Path(self._path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o644)
        except OSError as error:
            raise StoreError(f"cannot make the database {path}: {error.strerror}") from error

    def open(self, writing: bool) -> None:
        """Keep the log files after our connections are closed. A reader only does so if they were there before it."""
        if self._had_log is None:
            self._had_log = Path(f"{self._path}-wal").exists()
        if not self._keepers and (writing or self._had_log) and (kept := keeper(self._path)):
            self._keepers.append(kept)

    def prepare(self) -> None:
        """Choose the journal with which readers and the writer do not wait for each other, if possible."""
        choose_journal(Path(self._path))
        self.open(writing=True)

    def missing_privileges(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        return [] if os.access(self._path, os.W_OK) else ["the right to write the file"]

    def tidy(self, engine: sa.Engine) -> None:
        """Move the content of the log into the database."""
        engine.dispose()
        empty_log(Path(self._path))

    def close(self) -> None:
        """Close the connections that keep the log's files, after all other connections."""
        while self._keepers:
            self._keepers.pop().close()


def no_implicit_transactions(connection: Any, _: object) -> None:
    """Stop Python's sqlite3 from beginning and committing transactions by itself."""
    connection.isolation_level = None


def begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get(WRITING)
    if writing:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
