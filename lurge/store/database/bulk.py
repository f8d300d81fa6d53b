"""Bulk inserts, and keys for names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import sqlalchemy as sa

from lurge.store.database.dialect import Row, dialect_of


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert many rows: tuples in the order of `columns`, which go to the driver without an object for each."""
    dialect_of(connection).insert(connection, table, columns, rows)


def unchecked_keys(connection: sa.Connection) -> AbstractContextManager[None]:
    """Disable foreign-key checks during a bulk insert of rows whose keys were all made or looked up just before."""
    return dialect_of(connection).unchecked_keys(connection)


def storable(connection: sa.Connection, text: str) -> str:
    """Return a text in the form that the database stores."""
    return dialect_of(connection).storable(text)


def next_id(connection: sa.Connection, table: sa.Table) -> int:
    """Return the key after the largest one in `table`."""
    (key,) = table.primary_key.columns
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(key), 0))).scalar_one()) + 1


def ids_of(connection: sa.Connection, table: sa.Table, names: Iterable[str]) -> dict[str, int]:
    """Return the key of each name in a lookup table. Missing names are added, in sorted order."""
    key_column, name_column = table.columns
    known = {text: key for key, text in connection.execute(sa.select(key_column, name_column))}
    stored = {name: storable(connection, name) for name in sorted(set(names))}
    missing = [text for text in dict.fromkeys(stored.values()) if text not in known]
    first = next_id(connection, table)
    added = dict(zip(missing, range(first, first + len(missing)), strict=True))
    rows = ((key, text) for text, key in added.items())
    insert_rows(connection, table, (key_column.name, name_column.name), rows)
    keys = known | added
    return {name: keys[text] for name, text in stored.items()}
