"""Columns of directories: what is done with many at once is what is done with one."""

from __future__ import annotations

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lurge.model.directories import Directories, DirectoryUsage, merge, to_days
from lurge.model.dump import days_before

names = st.text("ab\0é\\", max_size=4).map("".join) | st.text("ab\0", min_size=60, max_size=70)
rows = st.builds(
    DirectoryUsage,
    st.integers(-2, 2), st.sampled_from(["/a", "/b"]), names, st.integers(0, 2**70), st.integers(-5, 5),
    st.integers(0, 9), st.tuples(st.integers(0, 2**64), st.integers(0, 3)),
)  # fmt: skip


@given(times=st.lists(st.integers(-(2**63), 1_706_745_599) | st.integers(-(10**9), 10**9)))
def test_days_of_many_times_equal_those_of_each(times: list[int]) -> None:
    day = date(2024, 1, 31)
    assert to_days(day, np.array(times, np.int64)) == [days_before(day, time) for time in times]


@given(found=st.lists(rows, max_size=30))
def test_rows_come_back_sorted_and_merged(found: list[DirectoryUsage]) -> None:
    columns = Directories.of(found)
    assert list(columns) == sorted(merge(found))
    assert columns == Directories.of(reversed(found))
    assert len(columns) == len(list(columns))
