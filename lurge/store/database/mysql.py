"""MySQL and MariaDB, through mysqlclient."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import ArgumentError

from lurge.errors import StoreError
from lurge.store.database.dialect import ANSWER_SECONDS, CONNECT_SECONDS, Changes, Dialect, Query, Row
from lurge.store.database.grants import missing_grants
from lurge.store.database.named_lock import NamedLock, ServerLock
from lurge.store.database.row_text import RowText

if TYPE_CHECKING:
    from lurge.store.database.engine import Database
    from lurge.store.database.guarded import Guard

NO_PAD = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
ROWS_A_STATEMENT = 10_000
ROWS_A_LOAD = 100_000
FEWEST_ROWS_A_LOAD = 1000
SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', wait_timeout = 43200,"
    " foreign_key_checks = 1"
)
"""Values that do not fit are errors. A connection that is idle while dumps are read is kept for 12 hours."""

TRANSIENT = frozenset(
    {
        1040, 1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1205, 1213, 1317, 1927, 2002, 2003, 2005,
        2006, 2012, 2013, 2026, 2055,
    }
)  # fmt: skip
"""Numbers of transient errors: too many connections, shutdown, lost connections, deadlocks, lock timeouts."""

ACCESS_DENIED = frozenset({1044, 1045, 1698})
UNKNOWN_HOST = 2005
DRIVER_ADVICE = "Install lurge[mysql]; it is built with libmariadb-dev, gcc and pkg-config."


class MySQL(Dialect):
    """A database of a MySQL or MariaDB server."""

    def make_engine(self) -> sa.Engine:
        """Make an engine. Raises StoreError if mysqlclient is missing or the URL is malformed."""
        config = self.config
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
            "charset": "utf8mb4",
        }
        if config.option_file:
            arguments |= {"read_default_file": str(config.option_file), "read_default_group": "client"}
        if config.password:
            arguments["password"] = config.password.reveal()
        try:
            from lurge.store.database.guarded import Connector

            engine = sa.create_engine(
                config.url,
                connect_args=arguments,
                pool_recycle=3600,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
            )
        except ImportError as error:
            raise StoreError(f"database.url needs mysqlclient: {error}", DRIVER_ADVICE) from error
        except (ArgumentError, ValueError):
            # The error would show the URL, which may contain a secret in the wrong place.
            raise StoreError("database.url is not the URL of a database") from None
        connector = Connector(config.tls, config.ca_file)
        sa.event.listen(engine, "do_connect", lambda _, __, given, named: connector.connect(*given, **named))
        sa.event.listen(engine, "checkout", prepare_session)
        return engine

    def is_transient(self, error: BaseException) -> bool:
        cause = getattr(error, "orig", None)
        number = cause.args[0] if cause is not None and cause.args else None
        return bool(getattr(error, "connection_invalidated", False)) or number in TRANSIENT

    def is_denied(self, cause: BaseException) -> bool:
        return not ACCESS_DENIED.isdisjoint(cause.args[:1])

    def is_unknown_host(self, cause: BaseException) -> bool:
        return cause.args[:1] == (UNKNOWN_HOST,)

    def insert(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows. Many rows are sent as a file, if the server accepts files."""
        rows = iter(rows)
        first = list(islice(rows, FEWEST_ROWS_A_LOAD))
        if len(first) == FEWEST_ROWS_A_LOAD and takes_files(connection):
            load_rows(connection, table, columns, chain(first, rows))
            return
        rows = chain(first, rows)
        quote = connection.dialect.identifier_preparer.quote
        insert = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) VALUES "  # noqa: S608 - names come from the schema
        row = f"({', '.join(['%s'] * len(columns))})"
        while chunk := list(islice(rows, ROWS_A_STATEMENT)):
            connection.exec_driver_sql(insert + row, chunk)

    @contextmanager
    def unchecked_keys(self, connection: sa.Connection) -> Iterator[None]:
        connection.exec_driver_sql("SET foreign_key_checks = 0")
        yield
        connection.exec_driver_sql("SET foreign_key_checks = 1")

    def set_aside(self, connection: sa.Connection, names: Mapping[str, str]) -> None:
        """Rename tables in one statement, which is whole or not at all."""
        quote = connection.dialect.identifier_preparer.quote
        pairs = ", ".join(f"{quote(old)} TO {quote(new)}" for old, new in names.items())
        connection.exec_driver_sql(f"RENAME TABLE {pairs}")

    def disable_events(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Disable the server's events that name one of the tables; returns their names."""
        known = sa.table("EVENTS", *map(sa.column, ("EVENT_NAME", "EVENT_SCHEMA", "EVENT_DEFINITION", "STATUS")),
                         schema="information_schema")  # fmt: skip
        query = sa.select(known.c.EVENT_NAME).where(
            sa.func.database() == known.c.EVENT_SCHEMA, known.c.STATUS == "ENABLED",
            sa.or_(*(known.c.EVENT_DEFINITION.contains(name, autoescape=True) for name in tables)),
        )  # fmt: skip
        names = list(connection.execute(query).scalars())
        quote = connection.dialect.identifier_preparer.quote
        for name in names:
            connection.exec_driver_sql(f"ALTER EVENT {quote(name)} DISABLE")
        return names

    def byte_collation(self, connection: sa.Connection) -> str | None:
        """Return the collation of MariaDB, or that of MySQL since 8.0.17."""
        known = sa.table("COLLATIONS", sa.column("COLLATION_NAME"), schema="information_schema")
        return connection.execute(sa.select(known.c.COLLATION_NAME).where(known.c.COLLATION_NAME.in_(NO_PAD))).scalar()

    def without_transactions(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        """Return those of `tables` that have no transactions, each with its storage engine."""
        information = "information_schema"
        known = sa.table("TABLES", *map(sa.column, ("TABLE_NAME", "TABLE_SCHEMA", "ENGINE")), schema=information)
        engines = sa.table("ENGINES", *map(sa.column, ("ENGINE", "TRANSACTIONS")), schema=information)
        query = (
            sa.select(known.c.TABLE_NAME, known.c.ENGINE)
            .join_from(known, engines, known.c.ENGINE == engines.c.ENGINE, isouter=True)
            .where(
                sa.func.database() == known.c.TABLE_SCHEMA,
                known.c.TABLE_NAME.in_(tables),
                sa.func.coalesce(engines.c.TRANSACTIONS, "NO") != "YES",
            )
            .order_by(known.c.TABLE_NAME)
        )
        return [f"{name} ({engine})" for name, engine in connection.execute(query)]

    def upserting(self, table: sa.Table) -> Any:
        return mysql.insert(table)

    def upsert(
        self,
        table: sa.Table,
        keys: Sequence[str],
        changes: Changes,
        query: Query | None = None,
    ) -> Any:
        statement = self.upserting(table)
        if query:
            statement = statement.from_select(*query)
        values = changes(statement.inserted) or {keys[0]: table.c[keys[0]]}
        # As a list: the order of changes is that of computing.
        return statement.on_duplicate_key_update(list(values.items()))

    def drop_temporary(self, connection: sa.Connection, name: str) -> None:
        # Without the word, a statement on tables commits.
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {name}")

    def limit(self, connection: sa.Connection, seconds: int | None) -> None:
        # MariaDB counts in seconds, MySQL in milliseconds.
        is_mariadb = getattr(connection.dialect, "is_mariadb", False)
        variable, factor = ("max_statement_time", 1) if is_mariadb else ("max_execution_time", 1000)
        value = "DEFAULT" if seconds is None else str(seconds * factor)
        connection.exec_driver_sql(f"SET SESSION {variable} = {value}")

    def server(self, connection: sa.Connection) -> str:
        return f"server {connection.exec_driver_sql('SELECT version()').scalar()}"

    def notes(self, connection: sa.Connection) -> Iterator[str]:
        if guard_of(connection) is None:
            yield "rows are inserted, not sent as files: this mysqlclient cannot be kept from sending other files"
        elif not takes_files(connection):
            yield "the server accepts no files (local_infile is off): storing takes about twice as long"
        driver: Any = connection.connection.driver_connection
        if "TCP" in str(driver.get_host_info()) and not cipher_of(connection):
            yield "the connection is not encrypted: see database.tls"

    def missing_privileges(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        grants = connection.exec_driver_sql("SHOW GRANTS").scalars()
        return missing_grants(map(str, grants), str(connection.engine.url.database))

    def named_lock(self, database: Database, suffix: str) -> NamedLock:
        """Return the lock of an area. Locks belong to a server, so the name ends in a short digest of the database."""
        name = f"lurge{suffix}"
        digest = hashlib.sha256((database.engine.url.database or "").encode()).hexdigest()[:32]
        return MySQLLock(database, name, f"{name}.{digest}")


class MySQLLock(ServerLock):
    """A lock by GET_LOCK."""

    def take(self, connection: sa.Connection, name: str, seconds: int) -> bool:
        return bool(connection.execute(sa.select(sa.func.get_lock(name, seconds))).scalar())

    def give_back(self, connection: sa.Connection, name: str) -> None:
        connection.execute(sa.select(sa.func.release_lock(name)))

    def owner(self, connection: sa.Connection, name: str) -> int | None:
        return connection.execute(sa.select(sa.func.is_used_lock(name))).scalar()

    def own_number(self, connection: sa.Connection) -> int:
        return int(connection.execute(sa.select(sa.func.connection_id())).scalar_one())

    def end(self, connection: sa.Connection, number: int) -> None:
        connection.exec_driver_sql(f"KILL {int(number)}")


def prepare_session(connection: Any, *_: object) -> None:
    """Set up a connection each time it is taken from the pool: its last user may have failed halfway."""
    with connection.cursor() as cursor:
        cursor.execute(SESSION)


def takes_files(connection: sa.Connection) -> bool:
    """Return whether rows can be sent to the server as files, and no other file can be."""
    return guard_of(connection) is not None and bool(connection.exec_driver_sql("SELECT @@local_infile").scalar())


def guard_of(connection: sa.Connection) -> Guard | None:
    """Return the guard of a connection; None if it sends no files."""
    return getattr(connection.connection.driver_connection, "guard", None)


def load_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterator[Row]) -> None:
    """Insert by LOAD DATA. Raises StoreError if the server changed or left out a row, which LOCAL permits."""
    quote = connection.dialect.identifier_preparer.quote
    statement = (
        f"LOAD DATA LOCAL INFILE %s INTO TABLE {quote(table.name)} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t'"
        f" ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({', '.join(map(quote, columns))})"
    )
    guard = guard_of(connection)
    assert guard
    for first in rows:
        part = RowText(chain([first], islice(rows, ROWS_A_LOAD - 1)))
        with guard.offering(part.pieces()) as name:
            stored = connection.exec_driver_sql(statement, (name,)).rowcount
        warning = connection.exec_driver_sql("SHOW WARNINGS LIMIT 1").first()
        if stored != part.count or warning:
            reason = f": {warning[2]}" if warning else ""
            raise StoreError(f"{table.name}: {stored} of {part.count} rows were stored unchanged{reason}")


def cipher_of(connection: sa.Connection) -> str:
    """Return the cipher of a connection to a MySQL server, empty if it is not encrypted."""
    return str(connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").one()[1])
