"""Forecasts: the line through two dates, the levels of warnings, and odd histories."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.config.warnings import BUILT_IN_LEVELS, WarningLevel
from lurge.enrich.forecast import forecast
from lurge.model.forecast import History

D = date(2024, 1, 31)


def days(*pairs: tuple[int, int]) -> History:
    """A history of (days ago, bytes)."""
    return [(D - timedelta(days=ago), used) for ago, used in pairs]


@pytest.mark.parametrize(
    ("history", "quota", "level"),
    [
        (days((0, 80)), 100, 1),
        (days((0, 81)), 100, 2),
        (days((0, 85)), 100, 2),
        (days((0, 86)), 100, 3),
        (days((0, 81)), None, 1),
        (days((0, 81)), 0, 1),
        (days((0, 70), (1, 68)), 100, 1),
        (days((0, 74), (1, 71), (2, 70)), 100, 2),
        (days((0, 74), (1, 999), (2, 70)), 100, 2),
        (days((0, 74), (1, 70)), 100, 3),
        (days((0, 60), (10, 30), (20, 0)), 100, 1),
        (days((0, 90), (1, 95), (2, 100)), 100, 1),
        (days((0, 90), (1, 91), (2, 92)), 100, 3),
        (days((0, 50), (30, 0)), 100, 1),
        (days((0, 75), (1, 72), (2, 69), (3, 0)), 100, 3),
    ],
)
def test_the_level_follows_from_history_and_quota(history: History, quota: int | None, level: int) -> None:
    assert forecast(history, quota, BUILT_IN_LEVELS).level == level


def test_a_limit_is_compared_exactly() -> None:
    """A float would say that 0.85 of this quota is exceeded."""
    quota = 2**62 * 20 // 20
    limit = quota * 85 // 100
    assert forecast(days((0, limit)), quota, [WarningLevel(level=3, days=3, fraction=Fraction("0.85"))]).level == 1
    assert forecast(days((0, limit + 1)), quota, [WarningLevel(level=3, days=3, fraction=Fraction("0.85"))]).level == 3


def test_expected_use_lies_on_a_line_through_two_dates() -> None:
    expected = forecast(days((0, 70), (1, 0), (2, 60)), 100, BUILT_IN_LEVELS)
    assert (expected.in_3_days, expected.in_7_days) == (85, 105)
    assert expected.quota_reached == D + timedelta(days=6)


def test_expected_use_is_never_below_0() -> None:
    assert forecast(days((0, 10), (1, 20)), 100, ()).in_7_days == 0


@pytest.mark.parametrize(
    ("history", "quota", "day"),
    [
        (days((0, 100)), 100, D),
        (days((0, 99), (1, 98)), 100, D + timedelta(days=1)),
        (days((0, 10), (1, 20)), 100, None),
        (days((0, 10), (1, 10)), 100, None),
        (days((0, 1), (900_00, 0)), 2**62, None),
        (days((0, 5)), None, None),
    ],
    ids=["reached", "grows", "shrinks", "stays", "beyond the calendar", "no quota"],
)
def test_the_day_on_which_the_quota_is_reached(history: History, quota: int | None, day: date | None) -> None:
    assert forecast(history, quota, ()).quota_reached == day


histories = st.dictionaries(st.dates(), st.integers(0, 2**63 - 1), min_size=1, max_size=5).map(
    lambda used: [*used.items()]
)


@given(history=histories, quota=st.none() | st.integers(0, 2**63 - 1))
def test_any_history_gives_the_forecast_of_the_twin(history: History, quota: int | None) -> None:
    """The twin computes with fractions, as docs/formats.md defines the line."""
    found = forecast(history, quota, BUILT_IN_LEVELS)
    newest = sorted(history)[-3:]
    (first, low), (last, high) = newest[0], newest[-1]
    slope = Fraction(high - low, (last - first).days) if len(newest) > 1 else 0
    at = {ahead: max(0, high + slope * ahead) for ahead in (3, 7)}
    level = 1
    if quota:
        if at[3] > Fraction(8, 10) * quota or at[7] > Fraction(85, 100) * quota:
            level = 2
        if at[3] > Fraction(85, 100) * quota or at[7] > Fraction(95, 100) * quota:
            level = 3
    assert found.level == level
    assert abs(found.in_3_days - min(at[3], 2**63 - 1)) <= 1
    assert forecast(history[::-1], quota, BUILT_IN_LEVELS) == found
    if found.quota_reached and quota:
        assert found.quota_reached >= last
        assert high + slope * (found.quota_reached - last).days >= quota
