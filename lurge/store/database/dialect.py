"""The interface of a dialect: everything that differs between kinds of databases.

`sqlite.py`, `mysql.py` and `postgresql.py` implement it. Other modules call it, and never compare names of databases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from lurge.config.database import DatabaseConfig

if TYPE_CHECKING:
    from lurge.store.database.engine import Database
    from lurge.store.database.named_lock import NamedLock

CONNECT_SECONDS = 10
ANSWER_SECONDS = 3600
OPTION = "lurge_dialect"
WRITING = "lurge_writing"
"""Names of execution options of connections: the dialect, and whether the transaction writes."""

Row = tuple[object, ...]
"""Values in the order of given columns: integers, floats, text, dates or None."""


Query = tuple[list[str], sa.Select[Any]]
"""The names of columns, and a SELECT of their values."""

Changes = Callable[[Any], Mapping[str, Any]]
"""A function of a new row's columns that gives the values of the row that exists, in the order of computing."""


class Dialect(ABC):
    """One kind of database. Each engine has its own object.

    reading_options: execution options of SQLAlchemy for transactions that only read. has_one_writer: whether one
    transaction at a time writes, so that automatic keys are committed in their order.
    """

    reading_options: ClassVar[Mapping[str, object]] = {}
    has_one_writer: ClassVar[bool] = False

    def __init__(self, config: DatabaseConfig) -> None:
        self.config = config

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Make an engine. Raises StoreError if the driver is missing or the URL is malformed."""

    def title(self, url: sa.URL) -> str:
        """Return the name of the database for messages, without secrets."""
        return f"{url.database} on {url.host or 'this host'}" + (f":{url.port}" if url.port else "")

    # Errors.

    @abstractmethod
    def is_transient(self, error: BaseException) -> bool:
        """Return whether the same work may succeed later: after a lost connection, or a conflict of transactions."""

    def is_denied(self, cause: BaseException) -> bool:
        """Return whether the server rejected the user or the password."""
        return False

    def is_unknown_host(self, cause: BaseException) -> bool:
        """Return whether the name of the server's host could not be resolved."""
        return False

    def message(self, cause: BaseException) -> str:
        """Return the driver's message on one line."""
        return str(cause)

    # Rows.

    @abstractmethod
    def insert(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert many rows in the fastest way that this database has."""

    @abstractmethod
    def upserting(self, table: sa.Table) -> Any:
        """Return an INSERT of SQLAlchemy that has a clause for rows that exist."""

    def upsert(
        self,
        table: sa.Table,
        keys: Sequence[str],
        changes: Changes,
        query: Query | None = None,
    ) -> Any:
        """Return an INSERT that changes rows whose keys exist; without changes, it leaves them.

        changes: returns the new values from the columns of the row that is being inserted. query: the columns and the
        SELECT that gives the rows; None for rows that are handed over.
        """
        statement = self.upserting(table)
        if query:
            statement = statement.from_select(*query)
        values = changes(statement.excluded)
        if not values:
            return statement.on_conflict_do_nothing(index_elements=list(keys))
        return statement.on_conflict_do_update(index_elements=list(keys), set_=values)

    def drop_temporary(self, connection: sa.Connection, name: str) -> None:
        """Drop a temporary table, if there is one, within the transaction."""
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")

    @contextmanager
    def limited(self, connection: sa.Connection, seconds: int) -> Iterator[None]:
        """End any statement in the block that takes longer, with an error of the database."""
        self.limit(connection, seconds)
        try:
            yield
        finally:
            self.limit(connection, None)

    @abstractmethod
    def limit(self, connection: sa.Connection, seconds: int | None) -> None:
        """Limit the time of each statement from now on; None: no limit any more."""

    @contextmanager
    def unchecked_keys(self, connection: sa.Connection) -> Iterator[None]:
        """Disable foreign-key checks during a bulk insert, if the database can do so."""
        yield

    def advance_keys(self, connection: sa.Connection, table: sa.Table) -> None:
        """Make automatic keys continue after the largest key, after rows were inserted with explicit keys."""

    def storable(self, text: str) -> str:
        """Return a text in the form that this database stores."""
        return text

    # Tables.

    def unfit(self, connection: sa.Connection) -> str | None:
        """Return the reason why this database cannot hold lurge's tables; None if it can."""
        return None

    def set_aside(self, connection: sa.Connection, names: Mapping[str, str]) -> None:
        """Rename tables. names: the new name by the old one. Foreign keys between these tables may be dropped."""
        quote = connection.dialect.identifier_preparer.quote
        for old, new in names.items():
            connection.exec_driver_sql(f"ALTER TABLE {quote(old)} RENAME TO {quote(new)}")

    def disable_events(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Disable the server's events that name one of the tables; returns their names."""
        return []

    def byte_collation(self, connection: sa.Connection) -> str | None:
        """Return the collation that compares all bytes of a text, with spaces at its end; None if that is usual."""
        return None

    def drop_tables(self, connection: sa.Connection, names: Iterable[str]) -> None:
        """Drop tables, also if they refer to each other."""
        quote = connection.dialect.identifier_preparer.quote
        with self.unchecked_keys(connection):
            for name in names:
                connection.exec_driver_sql(f"DROP TABLE {quote(name)}")

    def without_transactions(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Return those of `tables` that have no transactions, each with the reason."""
        return []

    # Diagnosis.

    @abstractmethod
    def server(self, connection: sa.Connection) -> str:
        """Return the name and version of the database software."""

    def notes(self, connection: sa.Connection) -> Iterator[str]:
        """Yield a note for everything that makes the connection slower or less safe than it could be."""
        yield from ()

    def missing_privileges(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Return the privileges that the user needs and lacks, as far as the server tells."""
        return []

    # Files and locks.

    @abstractmethod
    def named_lock(self, database: Database, suffix: str) -> NamedLock:
        """Return the lock of an area. suffix: distinguishes it from the locks of other areas."""

    def exists(self) -> bool:
        """Return whether the database exists, as far as can be told without opening it."""
        return True

    def make(self) -> None:
        """Create an empty database if it is missing and a client can create one. Raises StoreError."""

    def open(self, writing: bool) -> None:
        """Prepare for a transaction, if needed."""

    def prepare(self) -> None:
        """Prepare the database for a run, if needed."""

    def tidy(self, engine: sa.Engine) -> None:
        """Tidy up after a run, if needed."""

    def close(self) -> None:
        """Close the resources of the dialect itself. The engine closes its connections."""


def dialect_of(connection: sa.Connection) -> Dialect:
    """Return the dialect of a connection that a Database made."""
    return cast(Dialect, connection.get_execution_options()[OPTION])
