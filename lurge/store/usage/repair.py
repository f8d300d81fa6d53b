"""Correcting what the older tool left beside what lurge stores: dates of usage, and names that stand twice."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.leftovers import Misdated, lacks_unique_groups, misdated, repeated_groups
from lurge.store.usage.read.volumes import usage_of

UNIQUE = "uq_unix_group_group_name"


def correct(connection: sa.Connection, one: Misdated) -> int:
    """Give usage the date of its dump, or delete it if lurge has stored that dump; returns the number of rows."""
    usage = schema.lustre_usage
    mine = usage_of(one.volume_id) & (usage.c.record_date == one.stored)
    change = sa.delete(usage) if one.twice else sa.update(usage).values(record_date=one.record_date)
    return connection.execute(change.where(mine)).rowcount


def merge_groups(connection: sa.Connection) -> int:
    """Let every group have one key, the lowest, and make names unique again; returns the number of names merged."""
    repeated = repeated_groups(connection)
    key = schema.unix_group.c.group_id
    for first, *others in repeated.values():
        for table in schema.metadata.sorted_tables:
            for column in (one.parent for one in table.foreign_keys if one.column is key):
                connection.execute(sa.update(table).where(column.in_(others)).values({column: first}))
        connection.execute(sa.delete(schema.unix_group).where(key.in_(others)))
    if lacks_unique_groups(connection):
        connection.exec_driver_sql(f"CREATE UNIQUE INDEX {UNIQUE} ON unix_group (group_name)")
    return len(repeated)


def repair_database(database: Database) -> list[str]:
    """Correct everything of this module in one transaction; returns a sentence for each correction."""

    def repair() -> list[str]:
        with database.writing() as connection:
            return repair_in(connection)

    return database.retrying(repair)


def repair_in(connection: sa.Connection) -> list[str]:
    done = []
    for one in misdated(connection):
        rows = correct(connection, one)
        what = f"deleted, because {one.record_date} stands there, too" if one.twice else f"dated {one.record_date}"
        done.append(f"{one.volume}: {rows} rows of group usage of {one.stored} are {what}")
    if lacks_unique_groups(connection):
        done.append(f"names of groups are unique again; {merge_groups(connection)} stood there more than once")
    return done
