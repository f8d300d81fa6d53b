"""Access for commands that only read: they never create the database, and look up the names that the user gives."""

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
    """Return the result of `read` in one transaction. Raises StoreError, also if the database is missing."""
    database = Database(config)

    def read_newest() -> T:
        with database.reading() as connection:
            require_newest(connection)
            return read(connection)

    return database.retrying(read_newest)


def require_newest(connection: sa.Connection) -> None:
    """Raise StoreError unless the schema is the one that this version reads."""
    revision, newest = revisions(connection, USAGE, sa.inspect(connection).get_table_names())
    if revision != newest:
        state = f"has the schema {revision}" if revision else "has no schema of lurge"
        raise StoreError(
            f"the database {state}, but {newest} is needed",
            "Run `lurge report`, or `lurge db upgrade` on the database of an older version or tool.",
        )


def group_key(connection: sa.Connection, name: str) -> int:
    """Return the key of a group. Raises UsageError, which names similar groups."""
    table = schema.unix_group
    key = connection.execute(sa.select(table.c.group_id).where(table.c.group_name == name)).scalar()
    if key is None:
        names = connection.execute(sa.select(table.c.group_name)).scalars()
        raise UsageError(f"no group {name!r} is stored", advice("groups", name, sorted(names)))
    return int(key)


def stored_volumes(connection: sa.Connection, given: Sequence[str], configured: Sequence[str]) -> list[str]:
    """Return the given volumes, or those of the configuration. Raises UsageError if a given one is not stored."""
    names = set(connection.execute(sa.select(schema.volume.c.scratch_disk)).scalars())
    for name in given:
        if name not in names:
            raise UsageError(f"no volume {name!r} is stored", advice("volumes", name, sorted(names)))
    return list(dict.fromkeys(given or configured))


def advice(kind: str, name: str, names: Sequence[str]) -> str:
    """Name similar groups or volumes."""
    if not names:
        return "Nothing is stored: run `lurge report`."
    near = difflib.get_close_matches(name, names, NAMES_SHOWN)
    if near:
        return f"Similar {kind}: {', '.join(near)}."
    return f"Stored {kind} are {', '.join(names[:NAMES_SHOWN])}{' and more' if len(names) > NAMES_SHOWN else ''}."
