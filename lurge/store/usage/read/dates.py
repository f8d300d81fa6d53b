"""The record dates that the database holds of a volume.

lurge dates every row by the name of its dump, and has a row of `volume_summary` for each date. The older tool dated
users and vaults by the name, but the usage of groups by the day on which the dump's file was last changed.
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
    """The key of a volume."""
    known = sa.select(schema.volume.c.volume_id).where(schema.volume.c.scratch_disk == volume_name)
    return connection.execute(known).scalar()


def dates_of(connection: sa.Connection, table: sa.Table, mine: sa.ColumnElement[bool]) -> set[date]:
    """The record dates of some rows of a table with history."""
    day = table.c.record_date
    return set(connection.execute(sa.select(day).where(mine, day.is_not(None)).distinct()).scalars())


def stored_dates(connection: sa.Connection, volume_name: str) -> set[date]:
    """The record dates of the dumps of a volume that are stored.

    The usage of groups is no evidence: the older tool's dates of it are not those of the dumps.
    """
    volume_id = key_of(connection, volume_name)
    if volume_id is None:
        return set()
    named = (schema.volume_summary, schema.user_usage, schema.vault)
    return set().union(*(dates_of(connection, table, table.c.volume_id == volume_id) for table in named))


@dataclass(frozen=True)
class NewestDates:
    """The newest record date of a volume: of its groups, its users and its vault, each None where there is none."""

    groups: date | None
    users: date | None
    vault: date | None

    @property
    def newest(self) -> date | None:
        """The newest of all."""
        return max(filter(None, (self.groups, self.users, self.vault)), default=None)


def newest_dates(connection: sa.Connection, volume_name: str) -> NewestDates:
    """One date for all if lurge stored the newest dump; otherwise the newest date of each table."""
    volume_id = key_of(connection, volume_name)
    if volume_id is None:
        return NewestDates(None, None, None)
    summary, users, vault = schema.volume_summary, schema.user_usage, schema.vault
    ours = last_date(connection, summary, summary.c.volume_id == volume_id)
    of_users = last_date(connection, users, users.c.volume_id == volume_id)
    of_vault = last_date(connection, vault, vault.c.volume_id == volume_id)
    if ours and ours >= max(filter(None, (ours, of_users, of_vault))):
        return NewestDates(ours, ours, ours)
    return NewestDates(last_date(connection, schema.lustre_usage, usage_of(volume_id)), of_users, of_vault)


def last_date(connection: sa.Connection, table: sa.Table, mine: sa.ColumnElement[bool]) -> date | None:
    """The newest record date of some rows of a table with history."""
    return connection.execute(sa.select(sa.func.max(table.c.record_date)).where(mine)).scalar()


def newest_of_all(connection: sa.Connection, volumes: Sequence[str]) -> dict[str, NewestDates]:
    """The newest dates of those of some volumes of which anything is stored."""
    found = {name: newest_dates(connection, name) for name in volumes}
    return {name: dates for name, dates in found.items() if dates.newest}


def is_outdated(connection: sa.Connection, dump: Dump) -> bool:
    """Whether what is stored of a dump's date comes from an older dump of that date."""
    summary, volume = schema.volume_summary, schema.volume
    query = sa.select(summary.c.dump_modified).join(volume)
    mine = query.where(volume.c.scratch_disk == dump.volume.name, summary.c.record_date == dump.record_date)
    modified = connection.execute(mine).scalar()
    return modified is not None and modified < dump.modified
