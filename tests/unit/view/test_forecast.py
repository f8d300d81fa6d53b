from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lurge.enrich.forecast import trend
from lurge.view.forecast import band, past_errors

DAY = date(2024, 1, 1)
HISTORIES = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2**62)), max_size=30)


def plain_error(history: list[tuple[date, int]], days: int) -> int:
    """The same, one trend after the other."""
    errors = []
    for number in range(2, len(history)):
        day = history[number - 1][0]
        later = [(at, used) for at, used in history[number:] if at >= day + timedelta(days=days)]
        if later:
            at, used = later[0]
            errors.append(abs(used - round(trend(history[:number]).expected((at - day).days))))
    return sorted(errors)[int(len(errors) * 0.9)] if len(errors) >= 5 else 0


@given(HISTORIES, st.lists(st.sampled_from([3, 7, 14, 30]), min_size=1, max_size=3))
def test_past_errors_are_those_of_exact_trends(steps: list[tuple[int, int]], horizons: list[int]) -> None:
    day, history = DAY, []
    for gap, used in steps:
        day += timedelta(days=gap)
        history.append((day, used))
    assert past_errors(history, horizons) == [plain_error(history, days) for days in horizons]


def test_a_band_begins_at_what_is_used() -> None:
    history = [(DAY + timedelta(days=number), 10 * number) for number in range(40)]
    rows = band(history)
    assert (rows[0].day, rows[0].used, rows[0].low, rows[0].high) == (DAY + timedelta(days=39), 390, 390, 390)
    assert [row.used for row in rows] == [390, 420, 460, 530, 600, 690]
