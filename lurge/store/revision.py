"""The revision of the schema that a database has."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import sqlalchemy as sa

from lurge.errors import StoreError

VERSION_TABLE = "alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


def revisions(connection: sa.Connection, tables: Collection[str]) -> tuple[str | None, str]:
    """The schema's revision in a database of these tables, and the newest there is: the first word of a file's name."""
    newest = max(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
    if VERSION_TABLE not in tables:
        return None, newest
    version = sa.table(VERSION_TABLE, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar(), newest


def require_newest(connection: sa.Connection) -> None:
    """Raise StoreError unless the tables are those that this version reads."""
    here, newest = revisions(connection, sa.inspect(connection).get_table_names())
    if here != newest:
        raise StoreError(
            f"the database's schema is {here or 'none of lurge'}, not {newest}",
            "Run `lurge report`, or `lurge db upgrade` on the database of an older version or tool.",
        )
