"""What a group's use of a volume will be, and how much that should worry it. Exact: fractions, no floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from lurge.config.warnings import WarningLevel
from lurge.model.forecast import DATES_OF_A_TREND, OK, Forecast, History
from lurge.model.stored import LARGEST

SOON, LATER = 3, 7
"""The days ahead that are stored and shown."""


@dataclass(frozen=True)
class Trend:
    """The straight line through the newest and the third-newest record date (the second of two; flat with one)."""

    day: date
    used: int
    a_day: Fraction

    def expected(self, days: int) -> Fraction:
        """The use so many days after the newest record date, bytes; none is below 0."""
        return max(self.used + self.a_day * days, Fraction(0))

    def reaches(self, quota: int) -> date | None:
        """The first date on which the use is `quota` or more; None where no calendar holds it."""
        if self.used >= quota:
            return self.day
        if self.a_day <= 0:
            return None
        days = -((self.used - quota) / self.a_day // 1)
        try:
            return self.day + timedelta(days=int(days))
        except OverflowError:
            return None


def trend(history: History) -> Trend:
    """The trend of a history in any order, of at least one date."""
    newest = sorted(history, reverse=True)[:DATES_OF_A_TREND]
    (day, used), (first_day, first_used) = newest[0], newest[-1]
    a_day = Fraction(used - first_used, (day - first_day).days) if len(newest) > 1 else Fraction(0)
    return Trend(day, used, a_day)


def forecast(history: History, quota: int | None, levels: Sequence[WarningLevel]) -> Forecast:
    """What to expect of a group on a volume.

    history: its newest date is the one to warn of. quota: bytes; None or 0 for none.
    """
    line = trend(history)
    reached = [one.level for one in levels if quota and line.expected(one.days) > one.fraction * quota]
    return Forecast(
        level=max(reached, default=OK),
        in_3_days=min(round(line.expected(SOON)), LARGEST),
        in_7_days=min(round(line.expected(LATER)), LARGEST),
        quota_reached=line.reaches(quota) if quota else None,
    )
