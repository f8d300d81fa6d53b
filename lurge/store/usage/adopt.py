"""Adoption of a database that the older tool made, without losing a row.

The older tool's tables have the same names and columns, but names are not unique, some columns round their numbers, and
unknown values are NULL. These tables are renamed ("set aside"). After lurge's tables are made, the rows are copied into
them with their keys. Of a name with several keys, only the first key is kept, and references to the others are changed
to it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.model.names import storable_name
from lurge.store.database.bulk import insert_rows, next_id, unchecked_keys
from lurge.store.database.dialect import dialect_of
from lurge.store.usage import schema
from lurge.store.usage.read.older import ASIDE, LOOKUPS, OTHERS, begun, recognises

__all__ = ["begun", "bring_over", "clear_away", "recognises", "set_aside"]

KEPT = "older_"

log = logging.getLogger(__name__)


def set_aside(connection: sa.Connection) -> None:
    """Rename the older tool's tables. On MySQL this is one statement, which is atomic."""
    present = set(sa.inspect(connection).get_table_names())
    names = [table.name for table in (*LOOKUPS, *OTHERS) if table.name in present]
    log.info("adopting the older tool's tables: %s", ", ".join(names))
    dialect_of(connection).set_aside(connection, {name: ASIDE + name for name in names})


def bring_over(connection: sa.Connection) -> None:
    """Copy every row that was set aside, in one transaction. Raises StoreError if a row would be lost."""
    aside = tables_aside(connection)
    if not aside or not all(is_empty(connection, table) for table in OTHERS):
        return
    with unchecked_keys(connection):
        for table in LOOKUPS:
            if table.name in aside:
                merge_names(connection, aside, table)
        for table in OTHERS:
            if table.name not in aside:
                continue
            if table is schema.base_directory:
                merge_base_directories(connection, aside)
            else:
                copy_rows(connection, aside[table.name], table)


def clear_away(connection: sa.Connection) -> None:
    """Drop the tables that were set aside. A table with columns that lurge does not have is kept under another name.

    Raises StoreError if a row was not copied.
    """
    quote = connection.dialect.identifier_preparer.quote
    aside = tables_aside(connection)
    for table in OTHERS:
        if table.name in aside and table is not schema.base_directory:
            check_copied(connection, aside[table.name], table)
    for table in reversed((*LOOKUPS, *OTHERS)):
        if table.name not in aside:
            continue
        unknown = set(aside[table.name].c.keys()) - set(table.c.keys())
        if unknown:
            kept = KEPT + table.name
            log.warning("%s is kept as %s: lurge does not have its columns %s", table.name, kept, sorted(unknown))
            connection.exec_driver_sql(f"ALTER TABLE {quote(ASIDE + table.name)} RENAME TO {quote(kept)}")
    dialect_of(connection).drop_tables(connection, [ASIDE + name for name in tables_aside(connection)])


def tables_aside(connection: sa.Connection) -> dict[str, sa.Table]:
    """Return the tables that are set aside, by their original names."""
    metadata = sa.MetaData()
    present = set(sa.inspect(connection).get_table_names())
    return {
        table.name: sa.Table(ASIDE + table.name, metadata, autoload_with=connection, resolve_fks=False)
        for table in (*LOOKUPS, *OTHERS)
        if ASIDE + table.name in present
    }


def is_empty(connection: sa.Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None


def referring(aside: dict[str, sa.Table], target: sa.Table) -> Iterator[sa.Column[int]]:
    """Yield the columns of tables that are set aside, which refer to keys of `target`."""
    for table in OTHERS:
        for key in table.foreign_keys:
            if key.column.table is target and table.name in aside and key.parent.name in aside[table.name].c:
                yield aside[table.name].c[key.parent.name]


def refer_to(connection: sa.Connection, columns: Iterable[sa.Column[int]], moved: dict[int, int | None]) -> None:
    """Change references from old keys to new ones. moved: the new key by the old one; None for NULL."""
    for column in columns:
        for old, new in moved.items():
            connection.execute(sa.update(column.table).where(column == old).values({column: new}))


def dangling(connection: sa.Connection, columns: Iterable[sa.Column[int]], known: Collection[int]) -> list[int]:
    """Return the keys that `columns` refer to, but that are not among the known ones."""
    keys: set[int] = set()
    for column in columns:
        keys.update(connection.execute(sa.select(column).where(column.is_not(None)).distinct()).scalars())
    return sorted(keys - set(known))


def merge_names(connection: sa.Connection, aside: dict[str, sa.Table], table: sa.Table) -> None:
    """Copy a lookup table: every name once, under the first of its keys.

    A PI without a name is dropped: references to it become NULL. Any other key without a row or a name gets the name
    `unknown KEY`, so that rows can still refer to it.
    """
    key, name = table.columns
    old = aside[table.name]
    columns = list(referring(aside, table))
    rows = [
        tuple(row) for row in connection.execute(sa.select(old.c[key.name], old.c[name.name]).order_by(old.c[key.name]))
    ]
    rows += [(missing, None) for missing in dangling(connection, columns, [row[0] for row in rows])]
    keys = {text: number for number, text in connection.execute(sa.select(key, name))}
    taken = set(keys.values())
    free = max([next_id(connection, table) - 1, *(row[0] for row in rows)], default=0) + 1
    moved: dict[int, int | None] = {}
    added = []
    for number, text in rows:
        if table is schema.pi and not (text or "").strip():
            moved[number] = None
            continue
        text = f"unknown {number}" if text is None else storable_name(text)
        if text not in keys:
            new = number
            if number in taken:
                new, free = free, free + 1
            keys[text] = new
            taken.add(new)
            added.append((new, text))
        if keys[text] != number:
            moved[number] = keys[text]
    insert_rows(connection, table, (key.name, name.name), added)
    move_keys(connection, columns, moved)


def move_keys(connection: sa.Connection, columns: list[sa.Column[int]], moved: dict[int, int | None]) -> None:
    """Change all keys at once: first to negative ones, so that no new key is mistaken for an old one."""
    steps: dict[int, int | None] = {old: None if new is None else -new for old, new in moved.items()}
    refer_to(connection, columns, steps)
    refer_to(connection, columns, {-new: new for new in moved.values() if new is not None})


def merge_base_directories(connection: sa.Connection, aside: dict[str, sa.Table]) -> None:
    """Copy base directories: every path of a volume once, under the first of its keys."""
    table, old = schema.base_directory, aside["base_directory"]
    columns = list(referring(aside, table))
    rows = connection.execute(
        sa.select(old.c.base_directory_id, old.c.directory_path, old.c.volume_id).order_by(old.c.base_directory_id)
    ).all()
    keys: dict[tuple[str, int], int] = {}
    moved: dict[int, int | None] = {}
    for number, path, volume in rows:
        first = keys.setdefault((path, volume), number)
        if first != number:
            moved[number] = first
    for missing in dangling(connection, columns, [row[0] for row in rows]):
        moved[missing] = None
    insert_rows(
        connection,
        table,
        ("base_directory_id", "directory_path", "volume_id"),
        ((number, path, volume) for (path, volume), number in keys.items()),
    )
    move_keys(connection, columns, moved)


def copy_rows(connection: sa.Connection, old: sa.Table, table: sa.Table) -> None:
    """Copy all rows, in the columns that both tables have."""
    names = [name for name in table.c.keys() if name in old.c]  # noqa: SIM118 - keys are names, columns are not
    connection.execute(sa.insert(table).from_select(names, sa.select(*(old.c[name] for name in names))))
    dialect_of(connection).advance_keys(connection, table)
    log.info("%s: %d rows copied", table.name, check_copied(connection, old, table))


def check_copied(connection: sa.Connection, old: sa.Table, table: sa.Table) -> int:
    """Return the number of rows in `table`. Raises StoreError if it differs from that in `old`."""
    before, copied = (
        connection.execute(sa.select(sa.func.count()).select_from(counted)).scalar_one() for counted in (old, table)
    )
    if copied != before:
        raise StoreError(
            f"{table.name} has {copied} rows, but {old.name}, which is set aside, has {before}",
            "No row was deleted. Restore the database, and run `lurge db upgrade` again.",
        )
    return int(copied)
