"""Bringing the schema up to date, also that of a database that the older tool made."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.store.database import Database
from lurge.store.usage import adopt

VERSION_TABLE = "alembic_version"
MIGRATIONS = Path(__file__).parents[1] / "usage" / "migrations"


def upgrade(database: Database) -> None:
    """Create the tables, adopt those of the older tool, or bring an older schema up to date. Raises StoreError.

    On MySQL, where a change of tables cannot be taken back, every step can be repeated.
    """
    with database.reading() as connection:
        if is_current(connection):
            return
    with database.writing() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        strange = tables and VERSION_TABLE not in tables and not adopt.begun(tables)
        if strange and not adopt.recognises(connection):
            raise StoreError(
                f"database {database} has tables, but lurge did not make them", "Give database.url a new database."
            )
        if strange:
            adopt.set_aside(connection)
        migrate(database, connection)
    with database.writing() as connection:
        adopt.bring_over(connection)
    with database.writing() as connection:
        adopt.clear_away(connection)


def migrate(database: Database, connection: sa.Connection) -> None:
    """Run the migrations that are missing."""
    # Hardly ever needed, and slow to import.
    import alembic.command
    import alembic.config
    import alembic.util

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as error:
        raise StoreError(f"database {database}: {error}", "A newer lurge made it: use that, or a new one.") from error


def revisions(connection: sa.Connection, tables: Collection[str]) -> tuple[str | None, str]:
    """The schema's revision in a database of these tables, and the newest there is: the first word of a file's name."""
    newest = max(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
    if VERSION_TABLE not in tables:
        return None, newest
    version = sa.table(VERSION_TABLE, sa.column("version_num"))
    return connection.execute(sa.select(version.c.version_num)).scalar(), newest


def is_current(connection: sa.Connection) -> bool:
    """Whether there is nothing to do."""
    tables = sa.inspect(connection).get_table_names()
    here, newest = revisions(connection, tables)
    return here == newest and not adopt.begun(tables)
