"""What changed between two record dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from lurge.store.usage import schema
from lurge.store.usage.read.dates import dates_of, key_of
from lurge.store.usage.read.volumes import usage_of
from lurge.store.usage.sums import halves, joined


class Change(NamedTuple):
    """A group's or a person's use of a volume at two dates."""

    volume: str
    name: str | None
    before: int
    after: int


class Missing(NamedTuple):
    """A volume that cannot be compared, and the dates nearest to the missing one that it has."""

    volume: str
    record_date: date
    kind: str
    nearest: list[date]


@dataclass
class Difference:
    """What changed between two dates, of those volumes that have both; groups: in base directories; people: all."""

    groups: list[Change] = field(default_factory=list)
    people: list[Change] = field(default_factory=list)
    group_volumes: list[str] = field(default_factory=list)
    people_volumes: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def difference(connection: sa.Connection, volumes: Sequence[str], first: date, second: date) -> Difference:
    """What changed from one date to another, volume by volume; what lacks a date is not compared, but listed."""
    found = Difference()
    for name in volumes:
        volume_id = key_of(connection, name)
        if volume_id is None:
            found.missing += [Missing(name, day, "dump", []) for day in (first, second)]
            continue
        of_groups, of_people = stored_of(connection, volume_id)
        lacking = [Missing(name, day, "groups", nearest(day, of_groups)) for day in missing(of_groups, first, second)]
        lacking += [Missing(name, day, "people", nearest(day, of_people)) for day in missing(of_people, first, second)]
        found.missing += merged(lacking)
        if {first, second} <= of_groups:
            found.group_volumes.append(name)
            before, after = (group_sizes(connection, volume_id, day) for day in (first, second))
            found.groups += changes(name, before, after)
        if {first, second} <= of_people:
            found.people_volumes.append(name)
            before, after = (people_sizes(connection, volume_id, day) for day in (first, second))
            found.people += changes(name, before, after)
    return found


def stored_of(connection: sa.Connection, volume_id: int) -> tuple[set[date], set[date]]:
    """The dates of which a volume's groups are stored, and its people: the older tool dated them differently."""
    summary, users, usage = schema.volume_summary, schema.user_usage, schema.lustre_usage
    ours = dates_of(connection, summary, summary.c.volume_id == volume_id)
    of_users = dates_of(connection, users, users.c.volume_id == volume_id)
    return ours | dates_of(connection, usage, usage_of(volume_id)), ours | of_users


def missing(stored: set[date], *days: date) -> list[date]:
    return [day for day in days if day not in stored]


def nearest(day: date, stored: set[date]) -> list[date]:
    """The stored dates next to a day, one on each side."""
    before = max((other for other in stored if other < day), default=None)
    after = min((other for other in stored if other > day), default=None)
    return [other for other in (before, after) if other]


def merged(lacking: list[Missing]) -> list[Missing]:
    """Rows of what is missing, one for groups and people together where both are."""
    both = {row.record_date for row in lacking if row.kind == "groups"} & {
        row.record_date for row in lacking if row.kind == "people"
    }
    whole = [row._replace(kind="dump") for row in lacking if row.record_date in both and row.kind == "groups"]
    return whole + [row for row in lacking if row.record_date not in both]


def group_sizes(connection: sa.Connection, volume_id: int, day: date) -> dict[str | None, int]:
    """Bytes by group in base directories."""
    usage, group = schema.lustre_usage, schema.unix_group
    mine = usage_of(volume_id) & (usage.c.record_date == day)
    columns = (group.c.group_name, usage.c.base_directory_id, usage.c.used)
    rows = sa.select(*columns).join_from(usage, group, isouter=True).where(mine).distinct().subquery()
    query = sa.select(rows.c.group_name, *halves(rows.c.used)).group_by(rows.c.group_name)
    return {name: joined(high, low) for name, high, low in connection.execute(query)}


def people_sizes(connection: sa.Connection, volume_id: int, day: date) -> dict[str | None, int]:
    """Bytes by person."""
    usage, user = schema.user_usage, schema.user
    mine = (usage.c.volume_id == volume_id) & (usage.c.record_date == day)
    query = sa.select(user.c.user_name, *halves(usage.c.size)).join_from(usage, user, isouter=True).where(mine)
    return {name: joined(high, low) for name, high, low in connection.execute(query.group_by(user.c.user_name))}


def changes(volume: str, before: dict[str | None, int], after: dict[str | None, int]) -> list[Change]:
    """Each name that is there at one of two dates."""
    names = sorted(before.keys() | after.keys(), key=lambda name: name or "")
    return [Change(volume, name, before.get(name, 0), after.get(name, 0)) for name in names]
