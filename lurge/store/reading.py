"""Reading the database for people: opening it without making it, and finding the names that they give."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, UsageError
from lurge.store import schema
from lurge.store.database import Database
from lurge.store.revision import require_newest

SQLITE = "sqlite:///"
NAMES_SHOWN = 5

T = TypeVar("T")


def read_stored(config: DatabaseConfig, read: Callable[[sa.Connection], T]) -> T:
    """The result of reading in one transaction. Raises StoreError, also where there is no database yet."""
    path = config.url.removeprefix(SQLITE)
    if path != config.url and not Path(path).exists():
        raise StoreError(f"database {path} does not exist", "Run `lurge report`, which makes and fills it.")
    database = Database(config)

    def look() -> T:
        with database.reading() as connection:
            require_newest(connection)
            return read(connection)

    return database.retrying(look)


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
