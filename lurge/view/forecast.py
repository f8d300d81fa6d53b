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
    line, past = trend(history), Past.of(history)
    rows = []
    for days in HORIZONS:
        used = round(line.expected(days))
        error = past_error(past, days) if days else 0
        rows.append(Expected(line.day + timedelta(days=days), used, max(used - error, 0), used + error))
    return rows


@dataclass(frozen=True)
class Past:
    """A history in arrays. day: int64, ordinals. used: int64, or objects if products with days are larger."""

    day: Whole
    used: Whole

    @staticmethod
    def of(history: Sequence[tuple[date, int]]) -> Past:
        """The same of a history, oldest first, each date once."""
        day = np.array([day.toordinal() for day, _ in history], np.int64)
        sizes = [used for _, used in history]
        days = int(day[-1] - day[0]) + HORIZONS[-1] if history else 0
        return Past(day, np.array(sizes, np.int64 if max(sizes, default=0) * days < LARGEST // 8 else object))


def past_error(past: Past, days: int) -> int:
    """The error, in bytes, that nine of ten earlier forecasts did not exceed; 0 if few can be tested."""
    day, used = past.day, past.used
    if len(day) < LEAST_TESTS + 2:
        return 0
    last = np.arange(1, len(day) - 1)
    later = np.maximum(np.searchsorted(day, day[last] + days), last + 1)
    last = last[later < len(day)]
    later = later[later < len(day)]
    if len(last) < LEAST_TESTS:
        return 0
    first = np.maximum(last + 1 - DATES_OF_A_TREND, 0)
    since = (day[last] - day[first]).astype(used.dtype)
    ahead = (day[later] - day[last]).astype(used.dtype)
    errors = np.sort(np.abs(used[later] - expected(used[last], used[last] - used[first], since, ahead)))
    return int(errors[int(len(errors) * 0.9)])


def expected(used: Whole, growth: Whole, since: Whole, days: Whole) -> Whole:
    """The rounded uses of `Trend.expected`, without fractions. growth: in the last `since` days."""
    total = np.maximum(used * since + growth * days, 0)
    whole, rest = total // since, total % since
    rounded: Whole = whole + ((2 * rest > since) | ((2 * rest == since) & (whole % 2 == 1)))
    return rounded
