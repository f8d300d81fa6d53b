"""Areas: the tables of one kind of data, with their own migrations and their own lock, in a database with others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

VERSION_TABLE = "alembic_version"


class Adoption(Protocol):
    """Taking over the tables that an older tool made: they are set aside, and their rows brought over into ours."""

    def recognises(self, connection: sa.Connection) -> bool:
        """Whether the older tool made the tables."""

    def begun(self, tables: Collection[str]) -> bool:
        """Whether some tables are set aside."""

    def set_aside(self, connection: sa.Connection) -> None:
        """Rename the older tool's tables."""

    def bring_over(self, connection: sa.Connection) -> None:
        """Copy every row, in one transaction. Raises StoreError if a row would be lost."""

    def clear_away(self, connection: sa.Connection) -> None:
        """Drop what was brought over."""


@dataclass(frozen=True)
class Area:
    """One kind of data in the database.

    migrations: a folder with a folder `versions`, whose files begin with their revision and sort by it.
    adoption: loads what takes over an older tool's tables, when that is needed; None if there is no older tool.
    lock_suffix: tells the area's lock from those of other areas.
    """

    name: str
    metadata: sa.MetaData
    migrations: Path
    version_table: str
    lock_suffix: str
    adoption: Callable[[], Adoption] | None = None

    @classmethod
    def named(cls, name: str, metadata: sa.MetaData, migrations: Path) -> Area:
        """An area whose version table and lock are named after it."""
        return cls(name, metadata, migrations, f"{VERSION_TABLE}_{name}", f".{name}")


def revisions(connection: sa.Connection, area: Area, tables: Collection[str]) -> tuple[str | None, str]:
    """The revision of an area in a database of these tables, and the newest there is."""
    newest = max(path.stem for path in (area.migrations / "versions").glob("[0-9]*.py")).partition("_")[0]
    if area.version_table not in tables:
        return None, newest
    version = sa.table(area.version_table, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar(), newest
