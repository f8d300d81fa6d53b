"""The difference between two record dates."""

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
    """The use of a volume by a group or a person at two dates."""

    volume: str
    name: str | None
    before: int
    after: int


class Missing(NamedTuple):
    """A volume that lacks a date, and the stored dates nearest to it. kind: `dump`, `groups` or `people`."""

    volume: str
    record_date: date
    kind: str
    nearest: list[date]


@dataclass
class Difference:
    """The changes between two dates, in the volumes that have both.

    groups: use of base directories. people: use of everything.
    """

    groups: list[Change] = field(default_factory=list)
    people: list[Change] = field(default_factory=list)
    group_volumes: list[str] = field(default_factory=list)
    people_volumes: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def difference(connection: sa.Connection, volumes: Sequence[str], first: date, second: date) -> Difference:
    """Compare two dates, volume by volume. Volumes that lack a date are listed as missing."""
    changed = Difference()
    for name in volumes:
        volume_id = key_of(connection, name)
        if volume_id is None:
            changed.missing += [Missing(name, day, "dump", []) for day in (first, second)]
            continue
        of_groups, of_people = stored_of(connection, volume_id)
        lacking = [Missing(name, day, "groups", nearest(day, of_groups)) for day in missing(of_groups, first, second)]
        lacking += [Missing(name, day, "people", nearest(day, of_people)) for day in missing(of_people, first, second)]
        changed.missing += merged(lacking)
        if {first, second} <= of_groups:
            changed.group_volumes.append(name)
            before, after = (group_sizes(connection, volume_id, day) for day in (first, second))
            changed.groups += changes(name, before, after)
        if {first, second} <= of_people:
            changed.people_volumes.append(name)
            before, after = (people_sizes(connection, volume_id, day) for day in (first, second))
            changed.people += changes(name, before, after)
    return changed


def stored_of(connection: sa.Connection, volume_id: int) -> tuple[set[date], set[date]]:
    """Return the stored dates of a volume's groups and of its people, which differ if the older tool stored them."""
    summary, users, usage = schema.volume_summary, schema.user_usage, schema.lustre_usage
    ours = dates_of(connection, summary, summary.c.volume_id == volume_id)
    of_users = dates_of(connection, users, users.c.volume_id == volume_id)
    return ours | dates_of(connection, usage, usage_of(volume_id)), ours | of_users


def missing(stored: set[date], *days: date) -> list[date]:
    """Return those days that are not stored."""
    return [day for day in days if day not in stored]


def nearest(day: date, stored: set[date]) -> list[date]:
    """Return the nearest stored date before a day, and the nearest after it, if there are any."""
    before = max((other for other in stored if other < day), default=None)
    after = min((other for other in stored if other > day), default=None)
    return [other for other in (before, after) if other]


def merged(lacking: list[Missing]) -> list[Missing]:
    """Merge the rows for groups and people of one date into one row, if both are missing."""
    both = {row.record_date for row in lacking if row.kind == "groups"} & {
        row.record_date for row in lacking if row.kind == "people"
    }
    whole = [row._replace(kind="dump") for row in lacking if row.record_date in both and row.kind == "groups"]
    return whole + [row for row in lacking if row.record_date not in both]


def group_sizes(connection: sa.Connection, volume_id: int, day: date) -> dict[str | None, int]:
    """Return the bytes of each group in base directories."""
    usage, group = schema.lustre_usage, schema.unix_group
    of_day = usage_of(volume_id) & (usage.c.record_date == day)
    columns = (group.c.group_name, usage.c.base_directory_id, usage.c.used)
    rows = sa.select(*columns).join_from(usage, group, isouter=True).where(of_day).distinct().subquery()
    query = sa.select(rows.c.group_name, *halves(rows.c.used)).group_by(rows.c.group_name)
    return {name: joined(high, low) for name, high, low in connection.execute(query)}


def people_sizes(connection: sa.Connection, volume_id: int, day: date) -> dict[str | None, int]:
    """Return the bytes of each person."""
    usage, user = schema.user_usage, schema.user
    of_day = (usage.c.volume_id == volume_id) & (usage.c.record_date == day)
    query = sa.select(user.c.user_name, *halves(usage.c.size)).join_from(usage, user, isouter=True).where(of_day)
    return {name: joined(high, low) for name, high, low in connection.execute(query.group_by(user.c.user_name))}


def changes(volume: str, before: dict[str | None, int], after: dict[str | None, int]) -> list[Change]:
    """Return the change of each name that has a size at one of the dates at least."""
    names = sorted(before.keys() | after.keys(), key=lambda name: name or "")
    return [Change(volume, name, before.get(name, 0), after.get(name, 0)) for name in names]
