"""Areas: each holds the tables of one kind of data, with their own migrations and their own lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa

VERSION_TABLE = "alembic_version"

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A key. SQLite assigns keys only in a column of exactly INTEGER."""

OPTIONS: dict[str, Any] = {f"{dialect}_{key}": value for dialect in ("mysql", "mariadb") for key, value in (
    ("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"),
)}  # fmt: skip
"""Options of a table: transactions, all of Unicode, and a comparison that distinguishes case and accents."""

NAMES_OF_CONSTRAINTS = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
}


class Adoption(Protocol):
    """Adoption of the tables of an older tool: they are renamed, and their rows copied into lurge's tables."""

    def recognises(self, connection: sa.Connection) -> bool:
        """Return whether the older tool made the tables."""

    def begun(self, tables: Collection[str]) -> bool:
        """Return whether some of `tables` were set aside: an adoption has begun and not ended."""

    def set_aside(self, connection: sa.Connection) -> None:
        """Set the older tool's tables aside: rename them."""

    def bring_over(self, connection: sa.Connection) -> None:
        """Copy every row that was set aside, in one transaction. Raises StoreError if a row would be lost."""

    def clear_away(self, connection: sa.Connection) -> None:
        """Drop the tables that were set aside, after their rows were copied."""


@dataclass(frozen=True)
class Area:
    """One kind of data in the database.

    migrations: a folder with a subfolder `versions`. The names of the files there begin with their revision, and sort
    by it. adoption: imports and returns the adoption of an older tool's tables; None without an older tool.
    lock_suffix: distinguishes the area's lock from the locks of other areas.
    """

    name: str
    metadata: sa.MetaData
    migrations: Path
    version_table: str
    lock_suffix: str
    adoption: Callable[[], Adoption] | None = None

    @classmethod
    def named(
        cls, name: str, metadata: sa.MetaData, migrations: Path, adoption: Callable[[], Adoption] | None = None
    ) -> Area:
        """Make an area whose version table and lock are named after it."""
        return cls(name, metadata, migrations, f"{VERSION_TABLE}_{name}", f".{name}", adoption)


def has_columns(connection: sa.Connection, marks: Mapping[str, Set[str]]) -> bool:
    """Return whether the database has some tables with some columns. marks: the names of the columns by table."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    return all(
        table in tables and columns <= {column["name"] for column in inspector.get_columns(table)}
        for table, columns in marks.items()
    )


def revisions(connection: sa.Connection, area: Area, tables: Collection[str]) -> tuple[str | None, str]:
    """Return the revision of an area in a database that has `tables`, None if it has none, and the newest revision."""
    newest = max(path.stem for path in (area.migrations / "versions").glob("[0-9]*.py")).partition("_")[0]
    if area.version_table not in tables:
        return None, newest
    version = sa.table(area.version_table, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar(), newest
