"""Totals at the newest date of each volume: by group, person, filetype and age."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from lurge.model.overview import (
    BaseUse,
    GroupTotal,
    KindUse,
    OutsideUse,
    PersonTotal,
    PersonUse,
    group_totals,
    person_totals,
)
from lurge.store.usage import schema
from lurge.store.usage.read.dates import newest_of_all
from lurge.store.usage.read.kinds import age_uses, filetype_uses
from lurge.store.usage.read.newest import Dates
from lurge.store.usage.read.volumes import Groups, of_group


@dataclass(frozen=True)
class Overview:
    """Totals over some volumes, of all groups or of one. Each list has the largest total first, `ages` the youngest.

    dates: the newest record date by volume. filetypes: a file counts in each filetype that matches, so their sum may
    differ from the total.
    """

    dates: Dates
    groups: list[GroupTotal]
    people: list[PersonTotal]
    filetypes: list[KindUse]
    ages: list[KindUse]

    @property
    def used(self) -> int:
        """The bytes in base directories."""
        return sum(total.used for total in self.groups)

    @property
    def unattributed(self) -> int:
        return sum(total.unattributed for total in self.groups)

    @property
    def in_files(self) -> int:
        """The bytes of files in base directories."""
        return sum(age.size for age in self.ages)


def read_overview(connection: sa.Connection, volumes: Sequence[str], group: Groups = None) -> Overview:
    """Return the totals of those volumes that are stored. group: the groups to read, None for all."""
    newest = newest_of_all(connection, volumes)
    dates = {name: day for name, days in newest.items() if (day := days.newest)}
    of_groups = {name: day for name, days in newest.items() if (day := days.groups)}
    of_users = {name: day for name, days in newest.items() if (day := days.users)}
    return Overview(
        dates=dates,
        groups=group_totals(base_uses(connection, of_groups, group), outside_uses(connection, of_groups, group)),
        people=person_totals(person_uses(connection, of_users, group)),
        filetypes=filetype_uses(connection, dates, group),
        ages=age_uses(connection, dates, group),
    )


def base_uses(connection: sa.Connection, dates: Dates, group: Groups) -> Iterator[BaseUse]:
    usage, base, warning = schema.lustre_usage, schema.base_directory, schema.warning
    query = (
        sa.select(
            base.c.directory_path,
            schema.unix_group.c.group_name,
            schema.pi.c.pi_name,
            sa.func.coalesce(usage.c.used, 0),
            usage.c.last_modified,
            usage.c.quota,
            usage.c.warning_id,
            warning.c.warning,
            usage.c.expected_in_3_days,
            usage.c.expected_in_7_days,
            usage.c.quota_reached,
        )
        .join_from(usage, base)
        .join(schema.volume)
        .join(schema.unix_group, isouter=True)
        .join(schema.pi, isouter=True)
        .join(warning, isouter=True)
        .where(of_group(usage.c.unix_id, group))
        # Overlapping runs of the older tool stored rows twice.
        .distinct()
    )
    for volume, day, rows in by_volume(connection, dates, query, usage):
        yield from (BaseUse._make((volume, day, *row)) for row in rows)


def outside_uses(connection: sa.Connection, dates: Dates, group: Groups) -> Iterator[OutsideUse]:
    usage = schema.unattributed_usage
    query = (
        sa.select(schema.unix_group.c.group_name, usage.c.used)
        .join_from(usage, schema.volume)
        .join(schema.unix_group)
        .where(of_group(usage.c.group_id, group))
    )
    for volume, day, rows in by_volume(connection, dates, query, usage):
        yield from (OutsideUse._make((volume, day, *row)) for row in rows)


def person_uses(connection: sa.Connection, dates: Dates, group: Groups) -> Iterator[PersonUse]:
    usage = schema.user_usage
    query = (
        sa.select(
            schema.user.c.user_name,
            schema.unix_group.c.group_name,
            sa.func.coalesce(usage.c.size, 0),
            usage.c.num_files,
            usage.c.last_modified,
        )
        .join_from(usage, schema.volume)
        .join(schema.user, isouter=True)
        .join(schema.unix_group, isouter=True)
        .where(of_group(usage.c.group_id, group))
    )
    for volume, day, rows in by_volume(connection, dates, query, usage):
        yield from (PersonUse._make((volume, day, *row)) for row in rows)


def by_volume(
    connection: sa.Connection, dates: Dates, query: sa.Select[Any], table: sa.Table
) -> Iterator[tuple[str, date, list[Sequence[Any]]]]:
    """Yield (volume, date, rows) of each volume at its date. Volumes of one date share a query.

    query: joins `volume` and `table`. One with sums is grouped by the volume, too.
    """
    name = schema.volume.c.scratch_disk
    named = query.add_columns(name)
    found: dict[str, list[Sequence[Any]]] = {volume: [] for volume in dates}
    for day in dict.fromkeys(dates.values()):
        volumes = [volume for volume in dates if dates[volume] == day]
        for row in connection.execute(named.where(name.in_(volumes), table.c.record_date == day)).all():
            found[row[-1]].append(row[:-1])
    for volume, day in dates.items():
        yield volume, day, found[volume]
