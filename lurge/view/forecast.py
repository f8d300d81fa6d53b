"""Forecasts with a band, tested on the past of the same history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from lurge.enrich.forecast import trend
from lurge.model.forecast import DATES_OF_A_TREND
from lurge.model.sizes import Whole
from lurge.model.stored import LARGEST

HORIZONS = (3, 7, 14, 21, 30)
"""Days after the newest date."""

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
    for days, error in zip((0, *HORIZONS), (0, *past_errors(history, HORIZONS)), strict=True):
        used = round(line.expected(days))
        rows.append(Expected(line.day + timedelta(days=days), used, max(used - error, 0), used + error))
    return rows


def past_errors(history: Sequence[tuple[date, int]], horizons: Sequence[int]) -> list[int]:
    """The error, in bytes, that nine of ten earlier forecasts did not exceed; 0 if few can be tested.

    history: oldest first, each date once. horizons: days, for each of which there is an error.
    """
    if len(history) < LEAST_TESTS + 2:
        return [0] * len(horizons)
    day = np.array([day.toordinal() for day, _ in history], np.int64)
    sizes = [used for _, used in history]
    days = max(int(day[-1] - day[0]) + max(horizons), 1)
    used = np.array(sizes, np.int64 if max(sizes) * days < LARGEST // 8 else object)
    last = np.arange(1, len(day) - 1)
    later = np.maximum(np.searchsorted(day, day[last] + np.array(horizons)[:, None]), last + 1)
    is_tested = later < len(day)
    later = np.where(is_tested, later, len(day) - 1)
    first = np.maximum(last + 1 - DATES_OF_A_TREND, 0)
    since = (day[last] - day[first]).astype(used.dtype)
    ahead = (day[later] - day[last]).astype(used.dtype)
    errors = np.abs(used[later] - expected(used[last], used[last] - used[first], since, ahead))
    # What cannot be tested comes first.
    ordered = np.sort(np.where(is_tested, errors, -1), axis=1)
    tests = np.count_nonzero(is_tested, axis=1).tolist()
    return [
        int(row[len(last) - count + int(count * 0.9)]) if count >= LEAST_TESTS else 0
        for row, count in zip(ordered, tests, strict=True)
    ]


def expected(used: Whole, growth: Whole, since: Whole, days: Whole) -> Whole:
    """The rounded uses of `Trend.expected`, without fractions. growth: in the last `since` days."""
    total = np.maximum(used * since + growth * days, 0)
    whole, rest = total // since, total % since
    rounded: Whole = whole + ((2 * rest > since) | ((2 * rest == since) & (whole % 2 == 1)))
    return rounded
