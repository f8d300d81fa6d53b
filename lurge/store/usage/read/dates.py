"""The record dates of a volume that the database holds.

lurge takes the date of every row from the name of its dump, and stores a row of `volume_summary` for each date. The
older tool took the date of users and vaults from the name, but the date of group usage from the modification time of
the dump's file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from lurge.model.dump import Dump
from lurge.store.usage import schema
from lurge.store.usage.read.volumes import usage_of


def key_of(connection: sa.Connection, volume_name: str) -> int | None:
    """Return the key of a volume; None if it is not stored."""
    known = sa.select(schema.volume.c.volume_id).where(schema.volume.c.scratch_disk == volume_name)
    return connection.execute(known).scalar()


def dates_of(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> set[date]:
    """Return the record dates of the rows of a table with history for which `condition` holds."""
    day = table.c.record_date
    return set(connection.execute(sa.select(day).where(condition, day.is_not(None)).distinct()).scalars())


def stored_dates(connection: sa.Connection, volume_name: str) -> set[date]:
    """Return the record dates of a volume's dumps that are stored.

    Group usage is not considered, because the older tool did not give it the dates of the dumps.
    """
    volume_id = key_of(connection, volume_name)
    if volume_id is None:
        return set()
    named = (schema.volume_summary, schema.user_usage, schema.vault)
    return set().union(*(dates_of(connection, table, table.c.volume_id == volume_id) for table in named))


@dataclass(frozen=True)
class NewestDates:
    """The newest record dates of a volume's groups, users and vault; None if nothing is stored."""

    groups: date | None
    users: date | None
    vault: date | None

    @property
    def newest(self) -> date | None:
        """The newest of the three."""
        return max(filter(None, (self.groups, self.users, self.vault)), default=None)


def newest_dates(connection: sa.Connection, volume_name: str) -> NewestDates:
    """Return the newest dates: one date for all if lurge stored the newest dump, else the newest of each table."""
    return newest_of_all(connection, [volume_name]).get(volume_name, NewestDates(None, None, None))


def last_date(connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> date | None:
    """Return the newest record date of the rows of a table with history for which `condition` holds."""
    return connection.execute(sa.select(sa.func.max(table.c.record_date)).where(condition)).scalar()


def newest_of_all(connection: sa.Connection, volumes: Sequence[str]) -> dict[str, NewestDates]:
    """Return the `newest_dates` by volume, without volumes that are not stored."""
    volume = schema.volume
    columns = map(newest_in, (schema.volume_summary, schema.user_usage, schema.vault))
    query = sa.select(volume.c.scratch_disk, volume.c.volume_id, *columns)
    by_volume: dict[str, NewestDates] = {}
    for name, key, ours, of_users, of_vault in connection.execute(query.where(volume.c.scratch_disk.in_(volumes))):
        if ours and ours >= max(filter(None, (ours, of_users, of_vault))):
            by_volume[name] = NewestDates(ours, ours, ours)
        else:
            of_groups = last_date(connection, schema.lustre_usage, usage_of(key))
            by_volume[name] = NewestDates(of_groups, of_users, of_vault)
    return {name: by_volume[name] for name in volumes if name in by_volume and by_volume[name].newest}


def newest_in(table: sa.Table) -> sa.ScalarSelect[date]:
    """Return the newest date of each volume in a table, as a column of a query of volumes. The index has it at once."""
    day = table.c.record_date
    dates = sa.select(day).where(table.c.volume_id == schema.volume.c.volume_id, day.is_not(None))
    return dates.order_by(day.desc()).limit(1).scalar_subquery()


def is_outdated(connection: sa.Connection, dump: Dump) -> bool:
    """Return whether the rows of a dump's date were stored from an older dump of that date."""
    summary, volume = schema.volume_summary, schema.volume
    query = sa.select(summary.c.dump_modified).join(volume)
    of_date = query.where(volume.c.scratch_disk == dump.volume.name, summary.c.record_date == dump.record_date)
    modified = connection.execute(of_date).scalar()
    return modified is not None and modified < dump.modified
