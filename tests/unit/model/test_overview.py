"""Sums of directories by group and filetype or age, beside a plain loop."""

from __future__ import annotations

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from lurge.model.directories import Directories, DirectoryUsage, merge
from lurge.model.dump import days_before
from lurge.model.overview import AGES, group_kinds

DAY = date(2024, 1, 31)
SECONDS = 1_706_745_599
SIZES = st.integers(0, 3) | st.sampled_from([2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**70])
TIMES = st.builds(lambda days, more: SECONDS - days * 86400 - more, st.sampled_from([-3, 0, 29, 30, 364, 365, 2000]),
                  st.integers(-1, 1))  # fmt: skip
ROWS = st.builds(
    DirectoryUsage, st.integers(-2, 2), st.just("/a"), st.text("ab", max_size=2), SIZES, TIMES, st.integers(0, 9),
    st.tuples(SIZES, SIZES),
)  # fmt: skip


@given(found=st.lists(ROWS, max_size=30))
def test_sums_are_those_of_each_directory(found: list[DirectoryUsage]) -> None:
    sizes: Counter[tuple[int, int | None, int | None]] = Counter()
    counts: Counter[tuple[int, int | None, int | None]] = Counter()
    for row in merge(found):
        days = days_before(DAY, row.newest)
        age = next((number for number, (_, limit) in enumerate(AGES) if days < limit), len(AGES))
        for key, size, is_counted in (
            ((row.gid, None, age), row.size, True),
            *(((row.gid, number, None), size, size > 0) for number, size in enumerate(row.filetype_sizes)),
        ):
            if is_counted:
                sizes[key] += size
                counts[key] += 1
    sums = list(group_kinds(Directories.of(found), DAY))
    assert {kind[:3]: kind.size for kind in sums} == sizes
    assert {kind[:3]: kind.directories for kind in sums} == counts
    assert len(sums) == len(sizes)
