"""Forecasts of a group's use of a volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

History = Sequence[tuple[date, int]]
"""Pairs of (record date, bytes used on the volume). Each date occurs once."""

OK = 1
"""The level of a group without a warning."""

DATES_OF_A_TREND = 3
"""Number of newest record dates in a trend, which is the line through the first and the last of them."""


@dataclass(frozen=True)
class Forecast:
    """A forecast for one group.

    level: 1 to 3. in_3_days, in_7_days: bytes, at least 0. quota_reached: None if the quota will not be reached.
    """

    level: int
    in_3_days: int
    in_7_days: int
    quota_reached: date | None


Forecaster = Callable[[History, int | None], Forecast]
"""A function of a history and a quota in bytes (None or 0: no quota). It forecasts from the newest date."""
