"""What is expected of a group's use of a volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

History = Sequence[tuple[date, int]]
"""(record date, bytes used on the volume), each date once."""


OK = 1
"""The level of a group that need not worry."""

DATES_OF_A_TREND = 3
"""A trend goes from the first to the last of so many newest record dates."""


@dataclass(frozen=True)
class Forecast:
    """level: 1 to 3. in_3_days, in_7_days: bytes, not below 0. quota_reached: None where it will not be."""

    level: int
    in_3_days: int
    in_7_days: int
    quota_reached: date | None


Forecaster = Callable[[History, int | None], Forecast]
"""From a history and the quota in bytes (None or 0: none) to what is expected after its newest date."""
