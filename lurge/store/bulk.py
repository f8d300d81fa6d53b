"""Many rows at once, and names as keys."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import sqlalchemy as sa

from lurge.errors import StoreError

PARAMETERS_A_STATEMENT = 999
"""As many as any SQLite takes; it inserts the rows of one statement twice as fast as one after another."""

ROWS_A_STATEMENT = 10_000
ROWS_A_FILE = 100_000
FEWEST_ROWS_A_FILE = 1000
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\0": "\\0"})

Row = tuple[object, ...]


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert tuples in the order of `columns` through the driver, without an object for each row.

    Values are whole numbers, floats, text, dates or None. Many rows go to MySQL as a file, if the server takes files.
    """
    rows = iter(rows)
    first = list(islice(rows, FEWEST_ROWS_A_FILE))
    if len(first) == FEWEST_ROWS_A_FILE and takes_files(connection):
        load_file(connection, table, columns, chain(first, rows))
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
    """Whether the server lets clients send files of rows."""
    if connection.dialect.name not in ("mysql", "mariadb"):
        return False
    return bool(connection.exec_driver_sql("SELECT @@local_infile").scalar())


def load_file(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterator[Row]) -> None:
    """Insert by LOAD DATA. Raises StoreError where the server changed or left out a row, as LOCAL lets it."""
    quote = connection.dialect.identifier_preparer.quote
    statement = (
        f"LOAD DATA LOCAL INFILE %s INTO TABLE {quote(table.name)} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t'"
        f" ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({', '.join(map(quote, columns))})"
    )
    with files_of_rows() as folder, ThreadPoolExecutor(1) as writer:
        # While the server reads one file, the next is written.
        coming = writer.submit(write_file, folder, rows)
        while written := coming.result():
            path, count = written
            coming = writer.submit(write_file, folder, rows)
            stored = connection.exec_driver_sql(statement, (str(path),)).rowcount
            path.unlink()
            complaint = connection.exec_driver_sql("SHOW WARNINGS LIMIT 1").first()
            if stored != count or complaint:
                why = f": {complaint[2]}" if complaint else ""
                raise StoreError(f"{table.name}: {stored} of {count} rows were taken as they are{why}")


@contextmanager
def files_of_rows() -> Iterator[Path]:
    """A folder for files, removed at the end. Raises StoreError where they cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="lurge-") as folder:
            yield Path(folder)
    except OSError as error:
        raise StoreError(
            f"cannot write rows below {tempfile.gettempdir()}: {error.strerror}", "Free space there, or set $TMPDIR."
        ) from error


def write_file(folder: Path, rows: Iterator[Row]) -> tuple[Path, int] | None:
    """Write the next rows for LOAD DATA; returns the file and how many they are, None where there are none."""
    with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8", newline="\n", delete=False) as file:
        count = 0
        for row in islice(rows, ROWS_A_FILE):
            file.write("\t".join(map(field, row)) + "\n")
            count += 1
    return (Path(file.name), count) if count else None


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
