"""Bringing the schema up to date, also that of a database that the older tool made."""

from __future__ import annotations

from pathlib import Path

import alembic.command
import alembic.config
import alembic.runtime.migration
import alembic.script
import alembic.util
import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.store import adopt
from lurge.store.database import Database

VERSION_TABLE = "alembic_version"


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


def script() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def migrate(database: Database, connection: sa.Connection) -> None:
    """Run the migrations that are missing."""
    config = script()
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as error:
        raise StoreError(f"database {database}: {error}", "A newer lurge made it: use that, or a new one.") from error


def revisions(connection: sa.Connection) -> tuple[str | None, str | None]:
    """The schema's revision in the database, and the newest that there is."""
    here = alembic.runtime.migration.MigrationContext.configure(connection).get_current_revision()
    return here, alembic.script.ScriptDirectory.from_config(script()).get_current_head()


def is_current(connection: sa.Connection) -> bool:
    """Whether there is nothing to do."""
    here, newest = revisions(connection)
    return here == newest and not adopt.begun(sa.inspect(connection).get_table_names())
