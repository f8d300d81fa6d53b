"""Forecasts with a band, tested on the past of the same history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from lurge.enrich.forecast import trend

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
    errors = []
    for number in range(2, len(history)):
        known, (day, _) = history[:number], history[number - 1]
        later = next(((at, used) for at, used in history[number:] if at >= day + timedelta(days=days)), None)
        if later:
            errors.append(abs(later[1] - round(trend(known[-3:]).expected((later[0] - day).days))))
    if len(errors) < LEAST_TESTS:
        return 0
    return sorted(errors)[int(len(errors) * 0.9)] if len(errors) > 1 else errors[0]
