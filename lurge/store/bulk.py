"""Many rows at once, and names as keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import sqlalchemy as sa

ROWS_A_STATEMENT = 10_000


def insert_rows(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[tuple[object, ...]]
) -> None:
    """Insert tuples in the order of `columns` through the driver, without an object for each row."""
    placeholders = ", ".join(["?" if connection.dialect.paramstyle == "qmark" else "%s"] * len(columns))
    quote = connection.dialect.identifier_preparer.quote
    statement = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}) VALUES ({placeholders})"  # noqa: S608 - names come from the schema
    rows = iter(rows)
    while chunk := list(islice(rows, ROWS_A_STATEMENT)):
        connection.exec_driver_sql(statement, chunk)


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
