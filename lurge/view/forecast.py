"""Forecasts with a band, tested on the past of the same history."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lurge.enrich.forecast import trend
from lurge.model.forecast import DATES_OF_A_TREND

HORIZONS = (0, 3, 7, 14, 21, 30)
LEAST_TESTS = 5


@dataclass(frozen=True)
class Expected:
    """The expected use at a date, in bytes, and the band in which nine of ten forecasts of the past were right."""

    day: date
    used: int
    low: int
    high: int


def band(history: Sequence[tuple[date, int]]) -> list[Expected]:
    """The expected use for some weeks after the newest date of a history, oldest first.

    The band is as wide as the errors of the same forecast at earlier dates. Without enough of these it has no width.
    """
    if not history:
        return []
    line = trend(history)
    rows = []
    for days in HORIZONS:
        used = round(line.expected(days))
        error = past_error(history, days) if days else 0
        rows.append(Expected(line.day + timedelta(days=days), used, max(used - error, 0), used + error))
    return rows


def past_error(history: Sequence[tuple[date, int]], days: int) -> int:
    """The error, in bytes, that nine of ten earlier forecasts did not exceed; 0 if few can be tested."""
    dates = [day for day, _ in history]
    errors = []
    for number in range(2, len(history)):
        day, used = history[number - 1]
        later = bisect_left(dates, day + timedelta(days=days), number)
        if later == len(history):
            break
        first, before = history[max(number - DATES_OF_A_TREND, 0)]
        at, then = history[later]
        errors.append(abs(then - expected(used, used - before, (day - first).days, (at - day).days)))
    if len(errors) < LEAST_TESTS:
        return 0
    return sorted(errors)[int(len(errors) * 0.9)] if len(errors) > 1 else errors[0]


def expected(used: int, growth: int, since: int, days: int) -> int:
    """The rounded use of `Trend.expected`, without fractions. growth: in the last `since` days."""
    whole, rest = divmod(max(used * since + growth * days, 0), since)
    return whole + (2 * rest > since or (2 * rest == since and whole % 2 == 1))
