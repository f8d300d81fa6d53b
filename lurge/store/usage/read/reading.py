"""Reading the database for people: opening it without making it, and finding the names that they give."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, UsageError
from lurge.store.database import Database
from lurge.store.database.area import revisions
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE

NAMES_SHOWN = 5

T = TypeVar("T")


def read_stored(config: DatabaseConfig, read: Callable[[sa.Connection], T]) -> T:
    """The result of reading in one transaction. Raises StoreError, also if there is no database yet."""
    database = Database(config)

    def look() -> T:
        with database.reading() as connection:
            require_newest(connection)
            return read(connection)

    return database.retrying(look)


def require_newest(connection: sa.Connection) -> None:
    """Raise StoreError unless the tables are those that this version reads."""
    here, newest = revisions(connection, USAGE, sa.inspect(connection).get_table_names())
    if here != newest:
        raise StoreError(
            f"the database's schema is {here or 'none of lurge'}, not {newest}",
            "Run `lurge report`, or `lurge db upgrade` on the database of an older version or tool.",
        )


def group_key(connection: sa.Connection, name: str) -> int:
    """The key of a group. Raises UsageError, which names similar groups."""
    table = schema.unix_group
    key = connection.execute(sa.select(table.c.group_id).where(table.c.group_name == name)).scalar()
    if key is None:
        names = connection.execute(sa.select(table.c.group_name)).scalars()
        raise UsageError(f"no group {name!r} is stored", advice("groups", name, sorted(names)))
    return int(key)


def stored_volumes(connection: sa.Connection, given: Sequence[str], configured: Sequence[str]) -> list[str]:
    """The given volumes, else those of the configuration. Raises UsageError for one that is not stored."""
    names = set(connection.execute(sa.select(schema.volume.c.scratch_disk)).scalars())
    for name in given:
        if name not in names:
            raise UsageError(f"no volume {name!r} is stored", advice("volumes", name, sorted(names)))
    return list(dict.fromkeys(given or configured))


def advice(kind: str, name: str, names: Sequence[str]) -> str:
    """The names that may have been meant."""
    if not names:
        return "Nothing is stored: run `lurge report`."
    near = difflib.get_close_matches(name, names, NAMES_SHOWN)
    if near:
        return f"Similar {kind}: {', '.join(near)}."
    return f"Stored {kind} are {', '.join(names[:NAMES_SHOWN])}{' and more' if len(names) > NAMES_SHOWN else ''}."
