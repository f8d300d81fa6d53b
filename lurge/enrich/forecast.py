"""Forecasts of a group's use of a volume, and its warning level. Exact: computed with fractions, not floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from lurge.config.warnings import WarningLevel
from lurge.model.forecast import DATES_OF_A_TREND, OK, Forecast, History
from lurge.model.stored import LARGEST

SOON, LATER = 3, 7
"""Numbers of days for which the expected use is stored and shown."""


@dataclass(frozen=True)
class Trend:
    """A straight line through the newest and the third-newest record date.

    With two dates: through both. With one: flat. a_day: bytes a day.
    """

    day: date
    used: int
    a_day: Fraction

    def expected(self, days: int) -> Fraction:
        """The expected use in bytes, at least 0, `days` days after the newest record date."""
        return max(self.used + self.a_day * days, Fraction(0))

    def reaches(self, quota: int) -> date | None:
        """The first date on which the use is at least `quota`; None if never, or later than any calendar date."""
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
    """The trend of a history with at least one date, in any order."""
    newest = sorted(history, reverse=True)[:DATES_OF_A_TREND]
    (day, used), (first_day, first_used) = newest[0], newest[-1]
    a_day = Fraction(used - first_used, (day - first_day).days) if len(newest) > 1 else Fraction(0)
    return Trend(day, used, a_day)


def forecast(history: History, quota: int | None, levels: Sequence[WarningLevel]) -> Forecast:
    """The forecast for a group on a volume, made from the newest date of `history`.

    quota: bytes; None or 0 for no quota. levels: the conditions of warnings.
    """
    line = trend(history)
    reached = [level.level for level in levels if quota and line.expected(level.days) > level.fraction * quota]
    return Forecast(
        level=max(reached, default=OK),
        in_3_days=min(round(line.expected(SOON)), LARGEST),
        in_7_days=min(round(line.expected(LATER)), LARGEST),
        quota_reached=line.reaches(quota) if quota else None,
    )
