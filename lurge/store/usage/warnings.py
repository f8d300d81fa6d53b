"""Warnings of one volume: they are computed from the stored history, and stored in its rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa

from lurge.model.forecast import DATES_OF_A_TREND, Forecaster
from lurge.store.usage import schema
from lurge.store.usage.read.volumes import usage_of
from lurge.store.usage.sums import halves, joined


def warn_after(connection: sa.Connection, volume_id: int, day: date, forecast: Forecaster) -> None:
    """Store the warnings of later dates of a volume, if their trends depend on `day`."""
    for later in dates_after(connection, volume_id, day):
        warn_of(connection, volume_id, later, forecast, sa.false())


def dates_after(connection: sa.Connection, volume_id: int, day: date) -> list[date]:
    """Return the next dates of every group, as many as a trend needs. A group need not have rows on every date."""
    usage = schema.lustre_usage
    later = usage_of(volume_id) & (usage.c.record_date > day)
    dates = sa.select(usage.c.unix_id, usage.c.record_date).where(later).distinct().subquery()
    number = sa.func.row_number().over(partition_by=dates.c.unix_id, order_by=dates.c.record_date)
    numbered = sa.select(dates.c.record_date, number.label("number")).subquery()
    near = sa.select(numbered.c.record_date).where(numbered.c.number < DATES_OF_A_TREND).distinct()
    return list(connection.execute(near.order_by(numbered.c.record_date)).scalars())


def histories(
    connection: sa.Connection, volume_id: int, day: date, replaced: sa.ColumnElement[bool]
) -> dict[int, list[tuple[date, int]]]:
    """Return the history of each group: (record date, bytes used on the volume) of its newest dates up to `day`.

    A history has at most as many dates as a trend needs. replaced: a condition for rows that are left out. Equal rows,
    which overlapping runs of the older tool have stored, count once.
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
    number = sa.func.row_number().over(partition_by=totals.c.unix_id, order_by=totals.c.record_date.desc())
    numbered = sa.select(totals, number.label("number")).subquery()
    columns = (numbered.c.unix_id, numbered.c.record_date, numbered.c.high, numbered.c.low)
    newest = sa.select(*columns).where(numbered.c.number <= DATES_OF_A_TREND)
    by_group = defaultdict(list)
    for group, record_date, *used in connection.execute(newest):
        by_group[group].append((record_date, joined(*used)))
    return by_group


def warn_of(
    connection: sa.Connection, volume_id: int, day: date, forecast: Forecaster, replaced: sa.ColumnElement[bool]
) -> None:
    """Store the warnings of one record date. replaced: a condition for rows that will be deleted."""
    usage = schema.lustre_usage
    of_day = (usage.c.record_date == day) & usage_of(volume_id) & sa.not_(replaced)
    quotas = sa.select(usage.c.unix_id, sa.func.max(usage.c.quota)).where(of_day).group_by(usage.c.unix_id)
    by_group = histories(connection, volume_id, day, replaced)
    for group, quota in connection.execute(quotas).all():
        if group is None:
            continue
        expected = forecast(by_group[group], quota)
        connection.execute(
            sa.update(usage)
            .where(of_day, usage.c.unix_id == group)
            .values(
                warning_id=expected.level,
                expected_in_3_days=expected.in_3_days,
                expected_in_7_days=expected.in_7_days,
                quota_reached=expected.quota_reached,
            )
        )
