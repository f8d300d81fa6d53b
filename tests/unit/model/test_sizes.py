"""Sizes as people see them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lurge.model.sizes import GIB, MIB, aligned_size, human_size, human_sizes, to_gib, to_mib, whole


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1610612736, "1.5 GiB"),
        (2**40 - 1, "1.0 TiB"),
        (2**20 - 1, "1.0 MiB"),
        (2**60 * 7, "7.0 EiB"),
        (2**80, "1048576.0 EiB"),
    ],
)
def test_a_size_is_shown_in_the_unit_that_people_read(size: int, shown: str) -> None:
    assert human_size(size) == shown


@pytest.mark.parametrize(
    ("size", "shown", "signed"),
    [
        (0, "   0    B  ", "    0    B  "),
        (5, "   5    B  ", "   +5    B  "),
        (1023, "1023    B  ", "+1023    B  "),
        (1024, "   1.00 KiB", "   +1.00 KiB"),
        (1610612736, "   1.50 GiB", "   +1.50 GiB"),
        (1000 * 2**40 + 2**36, "1000.06 TiB", "+1000.06 TiB"),
        (-1536, "  -1.50 KiB", "   -1.50 KiB"),
    ],
)
def test_points_and_units_align(size: int, shown: str, signed: str) -> None:
    assert aligned_size(size) == shown
    assert aligned_size(size, signed=True) == signed


@given(sizes=st.lists(st.integers(0, 2**60) | st.integers(0, 2**40).map(lambda number: number * GIB // 200)))
@example(sizes=[GIB * 5 // 1000, GIB // 8, GIB * 3 // 8, 2**53, 2**53 - 1])
@example(sizes=[2**63, 5])
@example(sizes=[-5, 2**40])
@example(sizes=[2**power + more for power in range(10, 63) for more in (-1, 0, 1)])
@example(sizes=[2**20 - 5243, 2**20 - 5242, 2**30 - 5368710, 2**30 - 5368709])
def test_many_are_shown_as_one(sizes: list[int]) -> None:
    for part in (sizes, [size for size in sizes if size < 2**53]):
        assert to_gib(whole(part)) == [float(round(Fraction(size, GIB), 2)) for size in part]
        assert human_sizes(whole(part)) == [human_size(size) for size in part]


@given(st.integers(0, 2**70) | st.integers(0, 2**70).map(lambda number: number // 200 * MIB // 200))
@example(2**63 - 1)
@example(2**53 + 5243)
@example(MIB // 200)
def test_mib_are_exact_however_large(size: int) -> None:
    text = to_mib(size)
    assert Fraction(text) == round(Fraction(size, MIB), 2)
    if size < 2**53:
        assert text == str(round(size / MIB, 2))
