"""Opening the database: connections, transactions, what to do when it goes away."""

from __future__ import annotations

import logging
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from lurge.config.settings import DatabaseConfig
from lurge.errors import StoreError, StoreUnavailable
from lurge.store.database.journal import choose_journal, empty_log, keeper

BUSY_SECONDS = 5
CONNECT_SECONDS = 10
ANSWER_SECONDS = 3600
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
WRITING = "lurge_writing"
MYSQL_SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', wait_timeout = 43200,"
    " foreign_key_checks = 1"
)
"""Nothing is cut or guessed silently, and a connection that waits while dumps are read is kept for half a day."""

TRANSIENT = frozenset(
    {
        1040, 1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1205, 1213, 1317, 1927, 2002, 2003, 2005,
        2006, 2012, 2013, 2026, 2055,
    }
)  # fmt: skip
"""MySQL's numbers of what may pass: too many connections, shutting down, lost connections, deadlocks and lock waits."""

IN_THE_WAY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""SQLite's numbers of what may pass: another connection reads or writes."""

ACCESS_DENIED = frozenset({1044, 1045, 1698})
PASSWORD_ADVICE = "Check the user in database.url, and $LURGE_DB_PASSWORD or database.password_file."  # noqa: S105

T = TypeVar("T")
log = logging.getLogger(__name__)


class Database:
    """The database of one site, SQLite or MySQL/MariaDB.

    Every method raises StoreError where the database refuses, StoreUnavailable where trying again may help.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        self._retry_seconds = config.retry_seconds
        self.swap = config.swap
        sqlite_path = config.url.removeprefix("sqlite:///")
        self.is_sqlite = sqlite_path != config.url
        self.engine = sqlite_engine(sqlite_path) if self.is_sqlite else mysql_engine(config)
        self._keepers: list[sqlite3.Connection] = []
        self._close = weakref.finalize(self, close_all, self.engine, self._keepers)
        if self.is_sqlite:
            # Without a reference to this object, whose end closes them.
            sa.event.listen(self.engine, "connect", partial(keep_log, sqlite_path, self._keepers))

    def __str__(self) -> str:
        url = self.engine.url
        if self.is_sqlite:
            return str(url.database)
        return f"{url.database} on {url.host or 'this host'}" + (f":{url.port}" if url.port else "")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state and changes nothing."""
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
        with self.translated(), self.engine.connect().execution_options(**{WRITING: True}) as connection:
            yield connection

    @contextmanager
    def _transaction(self, writing: bool) -> Iterator[sa.Connection]:
        with (
            self.translated(),
            self.engine.connect().execution_options(**{WRITING: writing}) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What the driver raises, as our own errors."""
        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:
            cause = getattr(error, "orig", None) or error
            message = f"database {self}: {cause}"
            if ACCESS_DENIED & {*getattr(cause, "args", ())[:1]}:
                raise StoreError(message, PASSWORD_ADVICE) from error
            raise (StoreUnavailable if may_pass(error) else StoreError)(message) from error

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

    def grants(self) -> list[str]:
        """What the user of a MySQL server may do, in its words."""
        with self.reading() as connection:
            return [str(grant) for grant in connection.exec_driver_sql("SHOW GRANTS").scalars()]

    def prepare_journal(self) -> None:
        """On SQLite: let readers and the writer not wait for each other, where that can be."""
        if self.is_sqlite:
            choose_journal(Path(str(self)))

    def tidy_journal(self) -> None:
        """On SQLite: move what the journal holds into the database."""
        if self.is_sqlite:
            self.engine.dispose()
            empty_log(Path(str(self)))

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        close_all(self.engine, self._keepers)


def keep_log(path: str, keepers: list[sqlite3.Connection], *_: object) -> None:
    """Let a keeper outlive the connection that is being made."""
    if not keepers and (found := keeper(path)):
        keepers.append(found)


def close_all(engine: sa.Engine, keepers: list[sqlite3.Connection]) -> None:
    """Close the connections of an engine, and after them the keepers of its log."""
    engine.dispose()
    while keepers:
        keepers.pop().close()


def may_pass(error: BaseException) -> bool:
    """Whether the same work may succeed later: a connection was lost, another transaction was in the way."""
    cause = getattr(error, "orig", None)
    if isinstance(cause, sqlite3.OperationalError):
        # The lowest byte of an extended code is the code (sqlite.org/rescode.html).
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in IN_THE_WAY
    number = cause.args[0] if cause is not None and cause.args else None
    return bool(getattr(error, "connection_invalidated", False)) or number in TRANSIENT


def sqlite_engine(path: str) -> sa.Engine:
    """An engine for a file, whose path is taken as it is, whatever is in it. Raises StoreError."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the directory of {path}: {error.strerror}") from error
    engine = sa.create_engine(sa.URL.create("sqlite", database=path), connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _no_implicit_transactions)
    sa.event.listen(engine, "begin", _begin)
    return engine


def mysql_engine(config: DatabaseConfig) -> sa.Engine:
    """An engine for a server. Raises StoreError where mysqlclient is missing or the URL is none."""
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

        engine = sa.create_engine(config.url, connect_args=arguments, pool_recycle=3600, pool_pre_ping=True)
    except ImportError as error:
        raise StoreError(f"database.url needs mysqlclient: {error}", "Install lurge[mysql].") from error
    except (ArgumentError, ValueError):
        # The error would show the URL, and whatever secret stands in it at the wrong place.
        raise StoreError("database.url is not a URL of a database") from None
    connector = Connector(config.tls, config.ca_file)
    sa.event.listen(engine, "do_connect", lambda _, __, given, named: connector.connect(*given, **named))
    sa.event.listen(engine, "checkout", _prepare_session)
    return engine


def _prepare_session(connection: Any, *_: object) -> None:
    """Each time that a connection is taken from the pool: whoever had it before may have failed in the middle."""
    with connection.cursor() as cursor:
        cursor.execute(MYSQL_SESSION)


def _no_implicit_transactions(connection: Any, _: object) -> None:
    """Keep Python's sqlite3 from beginning and committing by itself."""
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
