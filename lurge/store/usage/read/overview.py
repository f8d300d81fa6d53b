"""Totals at the newest date of each volume: by group, person, filetype and age."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from lurge.model.overview import (
    BaseUse,
    GroupTotal,
    GroupUse,
    KindUse,
    OutsideUse,
    PersonTotal,
    PersonUse,
    group_totals,
    person_totals,
)
from lurge.store.usage import schema
from lurge.store.usage.read.dates import newest_of_all
from lurge.store.usage.read.kinds import kind_uses
from lurge.store.usage.read.newest import Dates, by_key
from lurge.store.usage.read.volumes import Groups, of_group
from lurge.store.usage.sums import halves, joined


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
    filetypes, ages = kind_uses(connection, dates, group)
    return Overview(
        dates=dates,
        groups=group_totals(base_uses(connection, of_groups, group), outside_uses(connection, of_groups, group)),
        people=person_totals(person_uses(connection, of_users, group)),
        filetypes=filetypes,
        ages=ages,
    )


USAGE_COLUMNS = ("base_directory_id", "unix_id", "pi_id", "used", "last_modified", "quota", "warning_id",
                 "expected_in_3_days", "expected_in_7_days", "quota_reached")  # fmt: skip
"""The columns of group usage in which rows must differ to count each."""


def base_uses(connection: sa.Connection, dates: Dates, group: Groups) -> Iterator[BaseUse]:
    base, volume, names = schema.base_directory, schema.volume, schema.unix_group
    pi, warning = schema.pi, schema.warning

    def query(day: date) -> sa.Select[Any]:
        row = distinct_usage(day, group)
        named = (
            row.join(base, base.c.base_directory_id == row.c.base_directory_id)
            .join(volume, volume.c.volume_id == base.c.volume_id)
            .join(names, names.c.group_id == row.c.unix_id, isouter=True)
            .join(pi, pi.c.pi_id == row.c.pi_id, isouter=True)
            .join(warning, warning.c.warning_id == row.c.warning_id, isouter=True)
        )
        return sa.select(
            base.c.directory_path, names.c.group_name, pi.c.pi_name, sa.func.coalesce(row.c.used, 0),
            row.c.last_modified, row.c.quota, row.c.warning_id, warning.c.warning, row.c.expected_in_3_days,
            row.c.expected_in_7_days, row.c.quota_reached,
        ).select_from(named)  # fmt: skip

    for name, day, rows in by_date(connection, dates, query):
        yield from (BaseUse._make((name, day, *row)) for row in rows)


def group_uses(connection: sa.Connection, dates: Dates, group: Groups) -> Iterator[GroupUse]:
    """Yield the use of each volume by each group, summed by the database: there are many more base directories."""

    def query(day: date) -> sa.Select[Any]:
        row = distinct_usage(day, group)
        return by_volume_and_key(
            row, row.c.unix_id, row.c.pi_id, sums=(
                sa.func.min(row.c.last_modified), sa.func.max(row.c.quota), sa.func.max(row.c.warning_id),
                sa.func.max(row.c.quota_reached), sa.func.count(), *halves(row.c.used),
            ),
        )  # fmt: skip

    groups, pis = (by_key(connection, sa.select(table)) for table in (schema.unix_group, schema.pi))
    for name, _, rows in by_date(connection, dates, query):
        uses: dict[str | None, GroupUse] = {}
        for unix_id, pi_id, *values, high, low in rows:
            use = GroupUse._make((name, groups.get(unix_id), pis.get(pi_id), *values, joined(high, low)))
            uses[use.group] = merged_use(uses[use.group], use) if use.group in uses else use
        yield from uses.values()


def by_volume_and_key(row: sa.Subquery, *keys: sa.ColumnElement[int], sums: Sequence[Any]) -> sa.Select[Any]:
    """Return a query of sums of group usage by volume and some keys, for `by_date`. Servers group names much slower."""
    base, volume = schema.base_directory, schema.volume
    query: sa.Select[Any] = (
        sa.select(*[*keys, *sums])
        .join_from(row, base, base.c.base_directory_id == row.c.base_directory_id)
        .join(volume, volume.c.volume_id == base.c.volume_id)
        .group_by(volume.c.scratch_disk, *keys)
    )
    return query


def merged_use(one: GroupUse, other: GroupUse) -> GroupUse:
    """Return the use of a volume by a group that has several PIs there, or several keys."""

    def best(choose: Callable[..., Any], name: str) -> Any:
        values = (getattr(one, name), getattr(other, name))
        return choose((value for value in values if value is not None), default=None)

    largest = {name: best(max, name) for name in ("pi", "quota", "warning_id", "quota_reached")}
    return one._replace(
        **largest,
        last_modified=best(min, "last_modified"),
        directories=one.directories + other.directories,
        used=one.used + other.used,
    )


def distinct_usage(day: date, group: Groups, columns: Sequence[str] = USAGE_COLUMNS) -> sa.Subquery:
    """Return the group usage of a date. Overlapping runs of the older tool stored rows twice.

    It has no texts, which would make servers write it to disk to find equal rows.
    """
    usage = schema.lustre_usage
    query = sa.select(*(usage.c[name] for name in columns)).where(usage.c.record_date == day)
    return query.where(of_group(usage.c.unix_id, group)).distinct().subquery()


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


def person_uses(connection: sa.Connection, dates: Dates, group: Groups, user: str | None = None) -> Iterator[PersonUse]:
    """Yield the use of each volume by each person as a member of a group. user: the name of one; None for all."""
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
    if user is not None:
        query = query.where(schema.user.c.user_name == user)
    for volume, day, rows in by_volume(connection, dates, query, usage):
        yield from (PersonUse._make((volume, day, *row)) for row in rows)


def by_volume(
    connection: sa.Connection, dates: Dates, query: sa.Select[Any], table: sa.Table
) -> Iterator[tuple[str, date, list[Sequence[Any]]]]:
    """Yield (volume, date, rows) of each volume at its date.

    query: joins `volume` and `table`. One with sums is grouped by the volume, too.
    """
    return by_date(connection, dates, lambda day: query.where(table.c.record_date == day))


def by_date(
    connection: sa.Connection, dates: Dates, query: Callable[[date], sa.Select[Any]]
) -> Iterator[tuple[str, date, list[Sequence[Any]]]]:
    """Yield (volume, date, rows) of each volume at its date. Volumes of one date share a query.

    query: makes one for a date, which joins `volume`.
    """
    name = schema.volume.c.scratch_disk
    found: dict[str, list[Sequence[Any]]] = {volume: [] for volume in dates}
    for day in dict.fromkeys(dates.values()):
        volumes = [volume for volume in dates if dates[volume] == day]
        for row in connection.execute(query(day).add_columns(name).where(name.in_(volumes))).all():
            found[row[-1]].append(row[:-1])
    for volume, day in dates.items():
        yield volume, day, found[volume]
