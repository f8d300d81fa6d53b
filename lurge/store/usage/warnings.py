"""Warnings of one volume: computed from the stored history, stored with it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa

from lurge.model.forecast import DATES_OF_A_TREND, Forecaster
from lurge.store.usage import schema
from lurge.store.usage.read.volumes import usage_of
from lurge.store.usage.sums import halves, joined


def warn_after(connection: sa.Connection, volume_id: int, day: date, forecast: Forecaster) -> None:
    """Store the warnings of the dates after a volume's record date whose trends go through it."""
    for later in dates_after(connection, volume_id, day):
        warn_of(connection, volume_id, later, forecast, sa.false())


def dates_after(connection: sa.Connection, volume_id: int, day: date) -> list[date]:
    """The next dates of every group, as many as a trend needs: groups are not there on every date."""
    usage = schema.lustre_usage
    later = usage_of(volume_id) & (usage.c.record_date > day)
    dates = sa.select(usage.c.unix_id, usage.c.record_date).where(later).distinct().subquery()
    place = sa.func.row_number().over(partition_by=dates.c.unix_id, order_by=dates.c.record_date)
    placed = sa.select(dates.c.record_date, place.label("place")).subquery()
    near = sa.select(placed.c.record_date).where(placed.c.place < DATES_OF_A_TREND).distinct()
    return list(connection.execute(near.order_by(placed.c.record_date)).scalars())


def histories(
    connection: sa.Connection, volume_id: int, day: date, replaced: sa.ColumnElement[bool]
) -> dict[int, list[tuple[date, int]]]:
    """By group: (record date, bytes used on the volume) of its newest dates up to `day`, as many as a trend needs.

    replaced: rows that do not count. A row that stands there twice, as overlapping runs of the older tool left them,
    counts once.
    """
    usage = schema.lustre_usage
    rows = (
        sa.select(usage.c.unix_id, usage.c.record_date, usage.c.base_directory_id, usage.c.used)
        .where(usage_of(volume_id), usage.c.record_date <= day, usage.c.unix_id.is_not(None), sa.not_(replaced))
        .distinct()
        .subquery()
    )
    high, low = halves(rows.c.used)
    totals = (
        sa.select(rows.c.unix_id, rows.c.record_date, high.label("high"), low.label("low"))
        .group_by(rows.c.unix_id, rows.c.record_date)
        .subquery()
    )
    place = sa.func.row_number().over(partition_by=totals.c.unix_id, order_by=totals.c.record_date.desc())
    placed = sa.select(totals, place.label("place")).subquery()
    columns = (placed.c.unix_id, placed.c.record_date, placed.c.high, placed.c.low)
    found = defaultdict(list)
    for group, record_date, *used in connection.execute(sa.select(*columns).where(placed.c.place <= DATES_OF_A_TREND)):
        found[group].append((record_date, joined(*used)))
    return found


def warn_of(
    connection: sa.Connection, volume_id: int, day: date, forecast: Forecaster, replaced: sa.ColumnElement[bool]
) -> None:
    """Store the warnings of one record date. replaced: rows that are about to go."""
    usage = schema.lustre_usage
    of_today = (usage.c.record_date == day) & usage_of(volume_id) & sa.not_(replaced)
    quotas = sa.select(usage.c.unix_id, sa.func.max(usage.c.quota)).where(of_today).group_by(usage.c.unix_id)
    known = histories(connection, volume_id, day, replaced)
    for group, quota in connection.execute(quotas).all():
        if group is None:
            continue
        expected = forecast(known[group], quota)
        connection.execute(
            sa.update(usage)
            .where(of_today, usage.c.unix_id == group)
            .values(
                warning_id=expected.level,
                expected_in_3_days=expected.in_3_days,
                expected_in_7_days=expected.in_7_days,
                quota_reached=expected.quota_reached,
            )
        )
