"""Corrections of data that the older tool stored: dates of group usage, and repeated names of groups."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.leftovers import Misdated, lacks_unique_groups, misdated, repeated_groups
from lurge.store.usage.read.volumes import usage_of

UNIQUE = "uq_unix_group_group_name"


def correct(connection: sa.Connection, dump: Misdated) -> int:
    """Give usage the date of its dump, or delete it if lurge has stored that dump. Returns the number of rows."""
    usage = schema.lustre_usage
    rows = usage_of(dump.volume_id) & (usage.c.record_date == dump.stored)
    change = sa.delete(usage) if dump.twice else sa.update(usage).values(record_date=dump.record_date)
    return connection.execute(change.where(rows)).rowcount


def merge_groups(connection: sa.Connection) -> int:
    """Keep only the lowest key of every group, and make names unique again. Returns the number of names merged."""
    repeated = repeated_groups(connection)
    key = schema.unix_group.c.group_id
    for first, *others in repeated.values():
        for table in schema.metadata.sorted_tables:
            for column in (foreign.parent for foreign in table.foreign_keys if foreign.column is key):
                connection.execute(sa.update(table).where(column.in_(others)).values({column: first}))
        connection.execute(sa.delete(schema.unix_group).where(key.in_(others)))
    if lacks_unique_groups(connection):
        connection.exec_driver_sql(f"CREATE UNIQUE INDEX {UNIQUE} ON unix_group (group_name)")
    return len(repeated)


def repair_database(database: Database) -> list[str]:
    """Make all corrections in one transaction. Returns a sentence for each."""

    def repair() -> list[str]:
        with database.writing() as connection:
            return repair_in(connection)

    return database.retrying(repair)


def repair_in(connection: sa.Connection) -> list[str]:
    corrections = []
    for dump in misdated(connection):
        rows = correct(connection, dump)
        day = dump.record_date
        correction = f"deleted, because {day} is stored, too" if dump.twice else f"dated {day}"
        corrections.append(f"{dump.volume}: {rows} rows of group usage of {dump.stored} are {correction}")
    if lacks_unique_groups(connection):
        corrections.append(f"names of groups are unique again; {merge_groups(connection)} had several keys")
    return corrections
