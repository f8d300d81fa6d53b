"""Eras are told apart by content."""

from __future__ import annotations

import pytest

from lurge.aggregate.era import detect_era
from lurge.model.era import QUOTED_11, QUOTED_12, SORTED_11, STANDARD_11, Era
from tests.site import Entry


@pytest.mark.parametrize(
    ("encoding", "columns", "era"),
    [
        ("standard", 11, STANDARD_11),
        ("sorted", 11, SORTED_11),
        ("quoted", 11, QUOTED_11),
        ("quoted", 12, QUOTED_12),
    ],
)
@pytest.mark.parametrize("path", ["/", "/a", "/\x00", "/é日本", "/lustre/scratch101"])
def test_the_era_is_that_of_most_lines(encoding: str, columns: int, era: Era, path: str) -> None:
    good = Entry(path).line(encoding, columns)
    for noise in (b"", b"\n\n", b"garbage\n", good[:9] + b"\n", Entry("relative").line("quoted", 12) * 3):
        assert detect_era(noise + good * 2) == era, noise


@pytest.mark.parametrize("text", [b"", b"\n\nx\ty\n"])
def test_without_a_good_line_the_newest_era_is_taken(text: bytes) -> None:
    assert detect_era(text) == QUOTED_12
