"""Use of volumes over time, by record date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import sqlalchemy as sa

from lurge.store.usage import schema
from lurge.store.usage.read.dates import dates_of, key_of
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
    uses = []
    for name in volumes:
        volume_id = key_of(connection, name)
        if volume_id is not None:
            uses += (
                group_history(connection, name, volume_id, group) if group else history_of(connection, name, volume_id)
            )
    return sorted(uses, key=lambda use: (use.record_date, use.volume))


def history_of(connection: sa.Connection, name: str, volume_id: int) -> list[DatedUse]:
    """Return the use of a volume: from summaries, and for dates of the older tool from the sums of its rows."""
    summary, usage = schema.volume_summary, schema.lustre_usage
    columns = (summary.c.record_date, summary.c.attributed_bytes, summary.c.unattributed_bytes)
    rows = connection.execute(sa.select(*columns).where(summary.c.volume_id == volume_id))
    by_date = {day: DatedUse(name, day, used, outside, None) for day, used, outside in rows}
    older = usage_of(volume_id) & usage.c.record_date.not_in(
        sa.select(summary.c.record_date).where(summary.c.volume_id == volume_id)
    )
    for day, used, _ in dated_sums(connection, older):
        by_date[day] = DatedUse(name, day, used, None, None)
    return list(by_date.values())


def group_history(connection: sa.Connection, name: str, volume_id: int, group: int) -> list[DatedUse]:
    """Return the use of a volume by a group, with its quota. It is 0 at dates of lurge without a row of the group."""
    usage, outside, summary = schema.lustre_usage, schema.unattributed_usage, schema.volume_summary
    reported = dates_of(connection, summary, summary.c.volume_id == volume_id)
    rows = sa.select(outside.c.record_date, outside.c.used).where(
        outside.c.volume_id == volume_id, outside.c.group_id == group
    )
    unattributed = dict.fromkeys(reported, 0)
    for day, used in connection.execute(rows):
        unattributed[day] = used
    by_date = {day: DatedUse(name, day, 0, used, None) for day, used in unattributed.items()}
    for day, used, quota in dated_sums(connection, usage_of(volume_id) & (usage.c.unix_id == group)):
        by_date[day] = DatedUse(name, day, used, unattributed.get(day), quota)
    first = min((day for day, use in by_date.items() if use.used or use.unattributed), default=date.max)
    return [use for day, use in by_date.items() if day >= first]


def dated_sums(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[tuple[date, int, int | None]]:
    """Return (date, use, largest quota) of the group usage for which `condition` holds. Equal rows count once."""
    usage = schema.lustre_usage
    columns = (usage.c.record_date, usage.c.base_directory_id, usage.c.unix_id, usage.c.used, usage.c.quota)
    rows = sa.select(*columns).where(condition, usage.c.record_date.is_not(None)).distinct().subquery()
    query = sa.select(rows.c.record_date, *halves(rows.c.used), sa.func.max(rows.c.quota))
    grouped = connection.execute(query.group_by(rows.c.record_date))
    return [(day, joined(high, low), quota) for day, high, low, quota in grouped]
