"""Upgrade of an area's tables to the newest schema, and adoption of an older tool's tables."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.store.database.area import VERSION_TABLE, Area, revisions
from lurge.store.database.engine import Database


def upgrade(database: Database, area: Area) -> None:
    """Create an area's tables, adopt those of the older tool, or bring them up to date. Raises StoreError.

    Every step can be repeated, because MySQL cannot roll back a change of tables.
    """
    database.dialect.make()
    adoption = area.adoption() if area.adoption else None
    with database.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        revision, newest = revisions(connection, area, tables)
        if revision == newest and not (adoption and adoption.begun(tables)):
            return
        unfit = database.dialect.unfit(connection)
    if unfit:
        raise StoreError(f"database {database}: {unfit}", "Give database.url another database.")
    with database.writing() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        if area.version_table not in tables and not (adoption and adoption.begun(tables)):
            if adoption and adoption.recognises(connection):
                adoption.set_aside(connection)
            elif is_foreign(area, tables):
                raise StoreError(
                    f"database {database} has tables, but lurge did not make them", "Give database.url a new database."
                )
        migrate(database, area, connection)
    if adoption:
        with database.writing() as connection:
            adoption.bring_over(connection)
        with database.writing() as connection:
            adoption.clear_away(connection)


def is_foreign(area: Area, tables: Collection[str]) -> bool:
    """Return whether some tables are another program's, if the area has no version table among them.

    They are, if no other area has a version table, or if one of them has the name of a table of this area.
    """
    has_areas = any(name == VERSION_TABLE or name.startswith(f"{VERSION_TABLE}_") for name in tables)
    # All areas share the table that names the holders of their locks.
    own = set(area.metadata.tables) - {"job_lock"}
    return bool(tables) and (not has_areas or not own.isdisjoint(tables))


def migrate(database: Database, area: Area, connection: sa.Connection, revision: str = "head") -> None:
    """Run the missing migrations, up to a revision."""
    # Rarely needed, and slow to import.
    import alembic.command
    import alembic.config
    import alembic.util

    config = alembic.config.Config()
    config.set_main_option("script_location", str(area.migrations).replace("%", "%%"))
    config.attributes.update(connection=connection, area=area)
    try:
        alembic.command.upgrade(config, revision)
    except alembic.util.CommandError as error:
        advice = "A newer version of lurge made it. Use that version, or another database."
        raise StoreError(f"database {database}: {error}", advice) from error


def run_migrations() -> None:
    """Run the migrations for Alembic. An area's `env.py` only calls this function."""
    from alembic import context

    attributes = context.config.attributes
    area: Area = attributes["area"]
    context.configure(
        connection=attributes["connection"], target_metadata=area.metadata, version_table=area.version_table
    )
    context.run_migrations()
