"""Opening the database: connections, transactions, the schema brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import alembic.util
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lurge.errors import StoreError

BUSY_SECONDS = 60
WRITING = "lurge_writing"
VERSION_TABLE = "alembic_version"


class Database:
    """The database of one site. Every method raises StoreError where the database refuses.

    url: sqlite:///PATH; the path is taken as it is, whatever is in it.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.URL.create("sqlite", database=url.removeprefix("sqlite:///"))
        try:
            Path(str(self)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the directory of {self}: {error.strerror}") from error
        self._engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(self._engine, "connect", _no_implicit_transactions)
        sa.event.listen(self._engine, "begin", _begin)

    def __str__(self) -> str:
        return str(self.url.database)

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
    def _transaction(self, writing: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(**{WRITING: writing}) as connection, connection.begin():
                yield connection
        except (SQLAlchemyError, OverflowError) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"database {self}: {cause}") from error

    def upgrade(self) -> None:
        """Create the tables, or bring an older schema up to date."""
        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.writing() as connection:
            tables = set(sa.inspect(connection).get_table_names())
            if tables and VERSION_TABLE not in tables:
                raise StoreError(
                    f"database {self} has tables, but lurge did not make them", "Give database.url a new file."
                )
            config.attributes["connection"] = connection
            try:
                alembic.command.upgrade(config, "head")
            except alembic.util.CommandError as error:
                raise StoreError(
                    f"database {self}: {error}", "A newer lurge made it: use that, or a new file."
                ) from error

    def close(self) -> None:
        self._engine.dispose()


def _no_implicit_transactions(connection: Any, _: object) -> None:
    """Keep Python's sqlite3 from beginning and committing by itself."""
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
