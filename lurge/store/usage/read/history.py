"""Use of volumes over time, by record date."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa

from lurge.store.usage import schema
from lurge.store.usage.read.volumes import usage_of
from lurge.store.usage.sums import halves, joined


class DatedUse(NamedTuple):
    """Use of a volume at a date. unattributed: use outside base directories; None if it is not known."""

    volume: str
    record_date: date
    used: int
    unattributed: int | None
    quota: int | None


def history(connection: sa.Connection, volumes: Sequence[str], group: int | None = None) -> list[DatedUse]:
    """Return the use of each volume at each of its dates, oldest first. group: the key of a group, or None for all."""
    volume = schema.volume
    stored = sa.select(volume.c.scratch_disk, volume.c.volume_id).where(volume.c.scratch_disk.in_(volumes))
    keys: dict[str, int] = {row.scratch_disk: row.volume_id for row in connection.execute(stored)}
    if group:
        uses = group_history(connection, keys, group)
    else:
        uses = [use for name, key in keys.items() for use in history_of(connection, name, key)]
    return sorted(uses, key=itemgetter(1, 0))


def history_of(connection: sa.Connection, name: str, volume_id: int) -> list[DatedUse]:
    """Return the use of a volume: from summaries, and for dates of the older tool from the sums of its rows."""
    summary, usage = schema.volume_summary, schema.lustre_usage
    columns = (summary.c.record_date, summary.c.attributed_bytes, summary.c.unattributed_bytes)
    rows = connection.execute(sa.select(*columns).where(summary.c.volume_id == volume_id))
    by_date = {day: DatedUse(name, day, used, outside, None) for day, used, outside in rows}
    older = usage_of(volume_id) & usage.c.record_date.not_in(
        sa.select(summary.c.record_date).where(summary.c.volume_id == volume_id)
    )
    for _, day, used, _ in dated_sums(connection, older, [volume_id]):
        by_date[day] = DatedUse(name, day, used, None, None)
    return list(by_date.values())


def group_history(connection: sa.Connection, keys: Mapping[str, int], group: int) -> list[DatedUse]:
    """Return the use of volumes by a group, with its quota. It is 0 at dates of lurge without a row of the group."""
    usage, outside, summary = schema.lustre_usage, schema.unattributed_usage, schema.volume_summary
    names = {key: name for name, key in keys.items()}
    sums = dated_sums(connection, usage.c.unix_id == group, names)
    rows = sa.select(outside.c.volume_id, outside.c.record_date, outside.c.used)
    others = connection.execute(rows.where(outside.c.volume_id.in_(names), outside.c.group_id == group)).all()
    used_volumes = {row[0] for row in (*sums, *others)}
    reported = sa.select(summary.c.volume_id, summary.c.record_date).where(summary.c.volume_id.in_(used_volumes))
    outside_at: dict[int, dict[date, int]] = {key: {} for key in names if key in used_volumes}
    for key, day in connection.execute(reported).all():
        outside_at[key][day] = 0
    for key, day, used in others:
        outside_at[key][day] = used
    by_date: dict[int, dict[date, DatedUse]] = {key: {} for key in outside_at}
    for key, day, used, quota in sums:
        by_date[key][day] = DatedUse(names[key], day, used, outside_at[key].get(day), quota)
    for key, days in outside_at.items():
        for day in days.keys() - by_date[key].keys():
            by_date[key][day] = DatedUse(names[key], day, 0, days[day], None)
    uses = []
    for dated in by_date.values():
        first = min((day for day, use in dated.items() if use.used or use.unattributed), default=date.max)
        uses += [use for day, use in dated.items() if day >= first]
    return uses


def dated_sums(
    connection: sa.Connection, condition: sa.ColumnElement[bool], volumes: Collection[int]
) -> list[tuple[int, date, int, int | None]]:
    """Return (key of the volume, date, use, largest quota) of some group usage of volumes. Equal rows count once."""
    usage, base = schema.lustre_usage, schema.base_directory
    # In the order of their index, in which a server finds equal rows at once.
    columns = (usage.c.unix_id, usage.c.base_directory_id, usage.c.record_date, usage.c.used, usage.c.quota)
    rows = sa.select(*columns).where(condition, usage.c.record_date.is_not(None)).distinct().subquery()
    query = (
        sa.select(base.c.volume_id, rows.c.record_date, *halves(rows.c.used), sa.func.max(rows.c.quota))
        .join_from(rows, base, base.c.base_directory_id == rows.c.base_directory_id)
        .where(base.c.volume_id.in_(volumes))
        .group_by(base.c.volume_id, rows.c.record_date)
    )
    grouped = connection.execute(query).all()
    return [(key, day, joined(high, low), quota) for key, day, high, low, quota in grouped]
