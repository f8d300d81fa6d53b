"""The differences between kinds of databases, as questions that each kind answers.

`sqlite.py`, `mysql.py` and `postgresql.py` are the answers. Other modules ask; they do not compare names of databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, cast

import sqlalchemy as sa

from lurge.config.database import DatabaseConfig

if TYPE_CHECKING:
    from lurge.store.database.engine import Database
    from lurge.store.database.named_lock import NamedLock

CONNECT_SECONDS = 10
ANSWER_SECONDS = 3600
OPTION = "lurge_dialect"
WRITING = "lurge_writing"
"""Execution options of connections: their dialect, and whether a transaction is for writing."""

Row = tuple[object, ...]
"""Values in the order of some columns: whole numbers, floats, text, dates or None."""


class Dialect(ABC):
    """One kind of database. Each engine has an object of its own.

    reading_options: execution options of SQLAlchemy for transactions that only read.
    """

    reading_options: ClassVar[Mapping[str, object]] = {}

    def __init__(self, config: DatabaseConfig) -> None:
        self.config = config

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Make an engine. Raises StoreError if the driver is missing or the URL is not one."""

    def title(self, url: sa.URL) -> str:
        """The database as people know it, without secrets."""
        return f"{url.database} on {url.host or 'this host'}" + (f":{url.port}" if url.port else "")

    # Errors.

    @abstractmethod
    def may_pass(self, error: BaseException) -> bool:
        """Whether the same work may succeed later: a connection was lost, another transaction was in the way."""

    def is_denied(self, cause: BaseException) -> bool:
        """Whether the server refused the user or the password."""
        return False

    def is_unknown_host(self, cause: BaseException) -> bool:
        """Whether the name of the server's host could not be resolved."""
        return False

    def message(self, cause: BaseException) -> str:
        """The driver's message on one line."""
        return str(cause)

    # Rows.

    @abstractmethod
    def insert(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows, in the quickest way that this database has."""

    @contextmanager
    def unchecked_keys(self, connection: sa.Connection) -> Iterator[None]:
        """Disable foreign-key checks during a bulk insert, if the database can do so."""
        yield

    def count_on(self, connection: sa.Connection, table: sa.Table) -> None:
        """Let the database give keys after the largest one, when rows came with keys of their own."""

    def storable(self, text: str) -> str:
        """A text as this database holds it."""
        return text

    # Tables.

    def unfit(self, connection: sa.Connection) -> str | None:
        """The reason why this database cannot hold lurge's tables; None if it can."""
        return None

    def set_aside(self, connection: sa.Connection, names: Mapping[str, str]) -> None:
        """Rename tables, old name to new. Keys that refer from one to another need not hold any more."""
        quote = connection.dialect.identifier_preparer.quote
        for old, new in names.items():
            connection.exec_driver_sql(f"ALTER TABLE {quote(old)} RENAME TO {quote(new)}")

    def drop_tables(self, connection: sa.Connection, names: Iterable[str]) -> None:
        """Drop tables that may refer to each other."""
        quote = connection.dialect.identifier_preparer.quote
        with self.unchecked_keys(connection):
            for name in names:
                connection.exec_driver_sql(f"DROP TABLE {quote(name)}")

    def without_transactions(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Those of some tables that have no transactions, each with the reason."""
        return []

    # Findings for people.

    @abstractmethod
    def server(self, connection: sa.Connection) -> str:
        """The name and version of the database's program."""

    def notes(self, connection: sa.Connection) -> Iterator[str]:
        """Find what makes the connection slower or less safe than it could be."""
        yield from ()

    def missing_privileges(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """The privileges that the user needs and does not have, as far as the server says."""
        return []

    # Files and locks.

    @abstractmethod
    def named_lock(self, database: Database, suffix: str) -> NamedLock:
        """The lock of an area, whose suffix tells it from other areas' locks."""

    def exists(self) -> bool:
        """Whether the database is there, as far as can be told without opening it."""
        return True

    def make(self) -> None:
        """Make an empty database if it is missing and can be made so. Raises StoreError."""

    def open(self, writing: bool) -> None:
        """Get ready for a transaction, if there is anything to do."""

    def prepare(self) -> None:
        """Make the database ready for a run, if there is anything to do."""

    def tidy(self, engine: sa.Engine) -> None:
        """Tidy up after a run, if there is anything to do."""

    def close(self) -> None:
        """Close what is held beside the engine's connections."""


def dialect_of(connection: sa.Connection) -> Dialect:
    """The dialect of a connection that a Database made."""
    return cast(Dialect, connection.get_execution_options()[OPTION])
