"""Many rows at once, and names as keys."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING

import sqlalchemy as sa

from lurge.errors import StoreError

if TYPE_CHECKING:
    from lurge.store.database.guarded import Guard

PARAMETERS_A_STATEMENT = 999
"""As many as any SQLite takes; it inserts the rows of one statement twice as fast as one after another."""

ROWS_A_STATEMENT = 10_000
ROWS_A_LOAD = 100_000
FEWEST_ROWS_A_LOAD = 1000
ROWS_A_PIECE = 500
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\0": "\\0"})

Row = tuple[object, ...]


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert tuples in the order of `columns` through the driver, without an object for each row.

    Values are whole numbers, floats, text, dates or None. Many rows go to MySQL as a file, if the server takes files.
    """
    rows = iter(rows)
    first = list(islice(rows, FEWEST_ROWS_A_LOAD))
    if len(first) == FEWEST_ROWS_A_LOAD and takes_files(connection):
        load_rows(connection, table, columns, chain(first, rows))
        return
    rows = chain(first, rows)
    quote = connection.dialect.identifier_preparer.quote
    insert = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) VALUES "  # noqa: S608 - names come from the schema
    if connection.dialect.name == "sqlite":
        row = f"({', '.join('?' * len(columns))})"
        while chunk := list(islice(rows, PARAMETERS_A_STATEMENT // len(columns))):
            connection.exec_driver_sql(insert + ", ".join([row] * len(chunk)), tuple(chain.from_iterable(chunk)))
    else:
        row = f"({', '.join(['%s'] * len(columns))})"
        while chunk := list(islice(rows, ROWS_A_STATEMENT)):
            connection.exec_driver_sql(insert + row, chunk)


def takes_files(connection: sa.Connection) -> bool:
    """Whether rows can go to the server as files, and no other file with them."""
    return guard_of(connection) is not None and bool(connection.exec_driver_sql("SELECT @@local_infile").scalar())


def guard_of(connection: sa.Connection) -> Guard | None:
    """The guard of a connection; None where it sends no files, as on SQLite."""
    return getattr(connection.connection.driver_connection, "guard", None)


def load_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterator[Row]) -> None:
    """Insert by LOAD DATA. Raises StoreError where the server changed or left out a row, as LOCAL lets it."""
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
        complaint = connection.exec_driver_sql("SHOW WARNINGS LIMIT 1").first()
        if stored != part.count or complaint:
            why = f": {complaint[2]}" if complaint else ""
            raise StoreError(f"{table.name}: {stored} of {part.count} rows were taken as they are{why}")


class RowText:
    """Rows as LOAD DATA reads them. count: how many of them were read so far."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = iter(rows)
        self.count = 0

    def pieces(self) -> Iterator[bytes]:
        """The text of the rows, many at a time."""
        while rows := list(islice(self._rows, ROWS_A_PIECE)):
            self.count += len(rows)
            yield "".join(["\t".join(map(field, row)) + "\n" for row in rows]).encode()


def field(value: object) -> str:
    """A value as LOAD DATA reads it."""
    if type(value) is int or type(value) is float:
        return repr(value)
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).translate(ESCAPES)


@contextmanager
def unchecked_keys(connection: sa.Connection) -> Iterator[None]:
    """Let MySQL not look up every key of every row: for rows whose keys were all made or looked up here."""
    if connection.dialect.name == "sqlite":
        yield
        return
    connection.exec_driver_sql("SET foreign_key_checks = 0")
    yield
    connection.exec_driver_sql("SET foreign_key_checks = 1")


def next_id(connection: sa.Connection, table: sa.Table) -> int:
    """The first key that no row of `table` has reached."""
    (key,) = table.primary_key.columns
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(key), 0))).scalar_one()) + 1


def ids_of(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> dict[str, int]:
    """The key of each name in a lookup table; names that it does not hold are added, in sorted order."""
    key, name = table.columns
    known = {found: number for number, found in connection.execute(sa.select(key, name))}
    wanted = sorted(set(names))
    missing = [wanted_name for wanted_name in wanted if wanted_name not in known]
    first = next_id(connection, table)
    added = dict(zip(missing, range(first, first + len(missing)), strict=True))
    insert_rows(connection, table, (key.name, name.name), ((number, text) for text, number in added.items()))
    every = known | added
    return {wanted_name: every[wanted_name] for wanted_name in wanted}
