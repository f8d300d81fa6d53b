"""Many rows at once, and names as keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from lurge.store.database.dialect import Row, dialect_of


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert tuples in the order of `columns` through the driver, without an object for each row."""
    dialect_of(connection).insert(connection, table, columns, rows)


def unchecked_keys(connection: sa.Connection) -> AbstractContextManager[None]:
    """Disable foreign-key checks during a bulk insert: for rows whose keys were all made or looked up here."""
    return dialect_of(connection).unchecked_keys(connection)


def storable(connection: sa.Connection, text: str) -> str:
    """A text as the database holds it."""
    return dialect_of(connection).storable(text)


def next_id(connection: sa.Connection, table: sa.Table) -> int:
    """The first key that no row of `table` has reached."""
    (key,) = table.primary_key.columns
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(key), 0))).scalar_one()) + 1


def ids_of(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> dict[str, int]:
    """The key of each name in a lookup table; names that it does not hold are added, in sorted order."""
    key, name = table.columns
    known = {text: number for number, text in connection.execute(sa.select(key, name))}
    stored = {wanted: storable(connection, wanted) for wanted in sorted(set(names))}
    missing = [text for text in dict.fromkeys(stored.values()) if text not in known]
    first = next_id(connection, table)
    added = dict(zip(missing, range(first, first + len(missing)), strict=True))
    insert_rows(connection, table, (key.name, name.name), ((number, text) for text, number in added.items()))
    every = known | added
    return {wanted: every[text] for wanted, text in stored.items()}
