"""Taking over a database that the older tool made, without losing a row of it.

Its tables have the same names and columns, but no unique names, columns that round, and NULL wherever something was
not known. They are set aside under other names; when ours are made, their rows are brought over with their keys. Names
that stand there twice become one, and what referred to any of them refers to that one.
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
    """Rename the older tool's tables: on MySQL in one statement, which is whole or not at all."""
    present = set(sa.inspect(connection).get_table_names())
    names = [table.name for table in (*LOOKUPS, *OTHERS) if table.name in present]
    log.info("adopting the older tool's tables: %s", ", ".join(names))
    dialect_of(connection).set_aside(connection, {name: ASIDE + name for name in names})


def bring_over(connection: sa.Connection) -> None:
    """Copy every row that was set aside, in one transaction. Raises StoreError where a row would be lost."""
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
    """Drop what was brought over; a table with columns that are not ours is kept under another name.

    Raises StoreError where something was not brought over.
    """
    quote = connection.dialect.identifier_preparer.quote
    aside = tables_aside(connection)
    for table in OTHERS:
        if table.name in aside and table is not schema.base_directory:
            check_copied(connection, aside[table.name], table)
    for table in reversed((*LOOKUPS, *OTHERS)):
        if table.name not in aside:
            continue
        strange = set(aside[table.name].c.keys()) - set(table.c.keys())
        if strange:
            kept = KEPT + table.name
            log.warning("%s is kept as %s: its columns %s have no place here", table.name, kept, sorted(strange))
            connection.exec_driver_sql(f"ALTER TABLE {quote(ASIDE + table.name)} RENAME TO {quote(kept)}")
    dialect_of(connection).drop_tables(connection, [ASIDE + name for name in tables_aside(connection)])


def tables_aside(connection: sa.Connection) -> dict[str, sa.Table]:
    """What is set aside, by its name before."""
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
    """The columns set aside that refer to keys of `target`."""
    for table in OTHERS:
        for key in table.foreign_keys:
            if key.column.table is target and table.name in aside and key.parent.name in aside[table.name].c:
                yield aside[table.name].c[key.parent.name]


def refer_to(connection: sa.Connection, columns: Iterable[sa.Column[int]], moved: dict[int, int | None]) -> None:
    """Let what refers to a key refer to the one that it became."""
    for column in columns:
        for old, new in moved.items():
            connection.execute(sa.update(column.table).where(column == old).values({column: new}))


def dangling(connection: sa.Connection, columns: Iterable[sa.Column[int]], known: Collection[int]) -> list[int]:
    """Keys that are referred to, but are not there."""
    found: set[int] = set()
    for column in columns:
        found.update(connection.execute(sa.select(column).where(column.is_not(None)).distinct()).scalars())
    return sorted(found - set(known))


def merge_names(connection: sa.Connection, aside: dict[str, sa.Table], table: sa.Table) -> None:
    """Bring over a lookup table: every name once, under the first key that it had.

    A PI without a name is none. Another key without a row or a name gets one, so that what refers to it stays.
    """
    key, name = table.columns
    old = aside[table.name]
    columns = list(referring(aside, table))
    rows = [
        tuple(row) for row in connection.execute(sa.select(old.c[key.name], old.c[name.name]).order_by(old.c[key.name]))
    ]
    rows += [(lost, None) for lost in dangling(connection, columns, [row[0] for row in rows])]
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
            place = number
            if number in taken:
                place, free = free, free + 1
            keys[text] = place
            taken.add(place)
            added.append((place, text))
        if keys[text] != number:
            moved[number] = keys[text]
    insert_rows(connection, table, (key.name, name.name), added)
    move_keys(connection, columns, moved)


def move_keys(connection: sa.Connection, columns: list[sa.Column[int]], moved: dict[int, int | None]) -> None:
    """Change keys all at once: by way of negative ones, so that no new key is taken for an old one."""
    steps: dict[int, int | None] = {old: None if new is None else -new for old, new in moved.items()}
    refer_to(connection, columns, steps)
    refer_to(connection, columns, {-new: new for new in moved.values() if new is not None})


def merge_base_directories(connection: sa.Connection, aside: dict[str, sa.Table]) -> None:
    """Bring over base directories: every path of a volume once, under the first key that it had."""
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
    for lost in dangling(connection, columns, [row[0] for row in rows]):
        moved[lost] = None
    insert_rows(
        connection,
        table,
        ("base_directory_id", "directory_path", "volume_id"),
        ((number, path, volume) for (path, volume), number in keys.items()),
    )
    move_keys(connection, columns, moved)


def copy_rows(connection: sa.Connection, old: sa.Table, table: sa.Table) -> None:
    """Bring over all rows, and the columns that both have."""
    names = [name for name in table.c.keys() if name in old.c]  # noqa: SIM118 - keys are names, columns are not
    connection.execute(sa.insert(table).from_select(names, sa.select(*(old.c[name] for name in names))))
    dialect_of(connection).advance_keys(connection, table)
    log.info("%s: %d rows brought over", table.name, check_copied(connection, old, table))


def check_copied(connection: sa.Connection, old: sa.Table, table: sa.Table) -> int:
    """How many rows `table` has; raises StoreError where they are not as many as were set aside."""
    counts = [connection.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for one in (old, table)]
    if counts[0] != counts[1]:
        raise StoreError(
            f"{table.name} has {counts[1]} rows, but {old.name}, which is set aside, has {counts[0]}",
            "No row was deleted. Restore the database, and run `lurge db upgrade` again.",
        )
    return int(counts[0])
