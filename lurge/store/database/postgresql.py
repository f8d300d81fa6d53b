"""PostgreSQL, through psycopg 3."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError

from lurge.errors import StoreError
from lurge.store.database.dialect import ANSWER_SECONDS, CONNECT_SECONDS, Dialect, Row
from lurge.store.database.named_lock import NamedLock, ServerLock
from lurge.store.database.row_text import ESCAPES, RowText

if TYPE_CHECKING:
    from lurge.store.database.engine import Database

OLDEST = 120000
"""The oldest version that has generated columns, which our tables need, as the server numbers versions."""

NUL = "\\x00"
"""The form in which a NUL is stored: PostgreSQL cannot store a NUL itself."""

COPY_ESCAPES = {**ESCAPES, 0: NUL.replace("\\", "\\\\")}
COPIED = "lurge_copied"
LOCK_POLL_SECONDS = 0.1
SSL_MODES = {"off": "disable", "prefer": "prefer", "require": "require", "verify": "verify-full"}

SESSION = {
    "TimeZone": "UTC",
    "lock_timeout": "60s",
    "statement_timeout": f"{ANSWER_SECONDS}s",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""Session settings, independent of the site's defaults. A connection may be idle while dumps are read."""

TRANSIENT = frozenset(
    {
        "40001", "40P01", "25P03", "53300", "55P03", "57014", "57P01", "57P02", "57P03", "57P05",
    }
)  # fmt: skip
"""States of transient errors: serialization, deadlocks, timeouts, too many connections, shutdown, cancellation."""

TRANSIENT_CLASS = "08"
DENIED_CLASS = "28"
NO_ROOM = re.compile("starting up|shutting down|in recovery|not (yet )?accepting|too many|remaining connection slots")
DENIED = re.compile('authentication failed|no password supplied|no pg_hba.conf entry|role ".*" does not exist')
UNPROVEN = re.compile("certificate|does not support SSL")
"""Messages of libpq in English. Errors that happen while connecting have no states."""

UNRESOLVED = re.compile("could not translate host name|failed to resolve host")
"""Messages of libpq and of psycopg for a host name that cannot be resolved."""

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "REFERENCES")


class PostgreSQL(Dialect):
    """A database of a PostgreSQL server."""

    reading_options = {"postgresql_readonly": True}  # noqa: RUF012 - as the base class declares it

    def make_engine(self) -> sa.Engine:
        """Make an engine. Raises StoreError if psycopg is missing or the URL is malformed."""
        config = self.config
        # It warns of errors that it raises as well.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
            "application_name": "lurge",
            "sslmode": SSL_MODES[config.tls],
            "gssencmode": "disable",
            "keepalives_idle": 60,
        }
        if config.tls == "verify":
            arguments["sslrootcert"] = str(config.ca_file or "system")
        if config.password:
            arguments["password"] = config.password.reveal()
        try:
            engine = sa.create_engine(
                config.url,
                connect_args=arguments,
                pool_recycle=3600,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
            )
        except ImportError as error:
            raise StoreError(f"database.url needs psycopg: {error}", "Install lurge[postgresql].") from error
        except (ArgumentError, ValueError):
            # The error would show the URL, which may contain a secret in the wrong place.
            raise StoreError("database.url is not the URL of a database") from None
        sa.event.listen(engine, "connect", prepare_session)
        sa.event.listen(engine, "do_execute", copy_rows)
        return engine

    def title(self, url: sa.URL) -> str:
        host = url.host or url.query.get("host")
        return super().title(url.set(host=None if host is None or "/" in host else str(host)))

    def is_transient(self, error: BaseException) -> bool:
        from psycopg import OperationalError

        cause = getattr(error, "orig", None)
        state = getattr(cause, "sqlstate", None)
        if state:
            return state in TRANSIENT or state.startswith(TRANSIENT_CLASS)
        text = str(cause)
        refused = ("FATAL:" in text and not NO_ROOM.search(text)) or DENIED.search(text) or UNPROVEN.search(text)
        lost = isinstance(cause, OperationalError) or getattr(error, "connection_invalidated", False)
        return bool(lost and not refused)

    def is_denied(self, cause: BaseException) -> bool:
        state = getattr(cause, "sqlstate", None)
        return state.startswith(DENIED_CLASS) if state else bool(DENIED.search(str(cause)))

    def is_unknown_host(self, cause: BaseException) -> bool:
        return bool(UNRESOLVED.search(str(cause)))

    def message(self, cause: BaseException) -> str:
        return "; ".join(line.strip() for line in str(cause).splitlines() if line.strip())

    def insert(self, connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows by COPY. Raises StoreError if the server did not store all of them."""
        rows = iter(rows)
        for first in rows:
            text = RowText(chain([first], rows), COPY_ESCAPES)
            quote = connection.dialect.identifier_preparer.quote
            statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
            stored = connection.exec_driver_sql(statement, execution_options={COPIED: text}).rowcount
            if stored != text.count:
                raise StoreError(f"{table.name}: {stored} of {text.count} rows were stored")
            if table.autoincrement_column is not None and table.autoincrement_column.name in columns:
                self.advance_keys(connection, table)

    def advance_keys(self, connection: sa.Connection, table: sa.Table) -> None:
        key = table.autoincrement_column
        if key is None:
            return
        quoted = connection.dialect.identifier_preparer.quote(table.name)
        largest = sa.select(sa.func.max(key)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(quoted, key.name)
        connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(largest, 1), largest.is_not(None))))

    def storable(self, text: str) -> str:
        return text.replace("\0", NUL)

    def unfit(self, connection: sa.Connection) -> str | None:
        if int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) < OLDEST:
            return f"PostgreSQL {OLDEST // 10000} or newer is needed"
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            return f"its encoding is {encoding}, not UTF8"
        return None

    def set_aside(self, connection: sa.Connection, names: Mapping[str, str]) -> None:
        """Rename tables, and drop their foreign keys, because their checks cannot be disabled."""
        quote = connection.dialect.identifier_preparer.quote
        inspector = sa.inspect(connection)
        for name in names:
            for key in inspector.get_foreign_keys(name):
                connection.exec_driver_sql(f"ALTER TABLE {quote(name)} DROP CONSTRAINT {quote(str(key['name']))}")
        super().set_aside(connection, names)

    def upserting(self, table: sa.Table) -> Any:
        return postgresql.insert(table)

    def limit(self, connection: sa.Connection, seconds: int | None) -> None:
        # Only until the end of the transaction, which an error has ended already.
        if seconds is not None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {seconds * 1000}")

    def server(self, connection: sa.Connection) -> str:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"

    def notes(self, connection: sa.Connection) -> Iterator[str]:
        driver: Any = connection.connection.driver_connection
        by_network = connection.exec_driver_sql("SELECT inet_server_addr() IS NOT NULL").scalar()
        if by_network and not driver.pgconn.ssl_in_use:
            yield "the connection is not encrypted: see database.tls"

    def missing_privileges(self, connection: sa.Connection, tables: Collection[str]) -> list[str]:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar()
        if schema is None:
            return ["USAGE on a schema"]
        missing = []
        if not connection.execute(sa.select(sa.func.has_schema_privilege(schema, "CREATE"))).scalar():
            missing.append(f"CREATE on schema {schema}")
        known = sa.table("pg_tables", sa.column("schemaname"), sa.column("tablename"), schema="pg_catalog")
        table = sa.func.format("%I.%I", known.c.schemaname, known.c.tablename)
        of_lurge = (known.c.schemaname == schema) & known.c.tablename.in_(tables)
        for privilege in PRIVILEGES:
            lacks = sa.not_(sa.func.has_table_privilege(table, privilege))
            missing += [
                f"{privilege} on {name}"
                for name in connection.execute(sa.select(known.c.tablename).where(of_lurge, lacks)).scalars()
            ]
        return missing

    def named_lock(self, database: Database, suffix: str) -> NamedLock:
        """Return the lock of an area. Locks belong to a database."""
        name = f"lurge{suffix}"
        return PostgreSQLLock(database, name, name)


class PostgreSQLLock(ServerLock):
    """An advisory lock of a session."""

    def take(self, connection: sa.Connection, name: str, seconds: int) -> bool:
        deadline = time.monotonic() + seconds
        while not connection.execute(sa.select(sa.func.pg_try_advisory_lock(lock_key(name)))).scalar():
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOCK_POLL_SECONDS)
        return True

    def give_back(self, connection: sa.Connection, name: str) -> None:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(lock_key(name))))

    def owner(self, connection: sa.Connection, name: str) -> int | None:
        # pg_locks shows a key of 64 bits as two halves.
        query = sa.text(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :high AND objid::bigint = :low"
        )
        key = lock_key(name)
        return connection.execute(query, {"high": key >> 32 & 0xFFFFFFFF, "low": key & 0xFFFFFFFF}).scalar()

    def own_number(self, connection: sa.Connection) -> int:
        return int(connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one())

    def end(self, connection: sa.Connection, number: int) -> None:
        connection.execute(sa.select(sa.func.pg_terminate_backend(number)))


def lock_key(name: str) -> int:
    """Return the key of an advisory lock, a signed number of 64 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def prepare_session(connection: Any, _: object) -> None:
    """Apply our settings to a new connection, if the server's version has them."""
    connection.autocommit = True
    connection.execute(
        "SELECT set_config(name, wanted.setting, false) FROM pg_settings"
        " JOIN unnest(%s::text[], %s::text[]) AS wanted (name, setting) USING (name)",
        (list(SESSION), list(SESSION.values())),
    )
    connection.autocommit = False


def copy_rows(cursor: Any, statement: str, _: object, context: Any) -> bool:
    """Execute a COPY and send its rows. As an event handler of SQLAlchemy, so that errors are handled as usual."""
    text: RowText | None = context.execution_options.get(COPIED)
    if text is None:
        return False
    with cursor.copy(statement) as copy:
        for piece in text.pieces():
            copy.write(piece)
    return True
