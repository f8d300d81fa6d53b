"""Eras are told apart by content."""

from __future__ import annotations

import gzip
from contextlib import closing
from pathlib import Path

import pytest

from lurge.aggregate.era import detect_era
from lurge.model.era import QUOTED_11, QUOTED_12, SORTED_11, STANDARD_11, Era
from lurge.parallel.blocks import LONGEST_SAMPLE, SAMPLE_BYTES, OpenDump
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


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"y" * (2 * SAMPLE_BYTES) + b"\n", SORTED_11),
        (b"\n" * (3 * SAMPLE_BYTES), SORTED_11),
        (b"y" * (SAMPLE_BYTES - 1) + b"\n", SORTED_11),
        (b"y" * SAMPLE_BYTES + b"\n", SORTED_11),
        (b"\n" * LONGEST_SAMPLE, QUOTED_12),
    ],
    ids=["a long line", "empty lines", "a line of a sample", "a line and a newline behind it", "too much"],
)
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_era_is_told_by_the_first_usual_lines(first: bytes, expected: Era, end: bytes, tmp_path: Path) -> None:
    text = first + Entry("/a").line("sorted", 11).rstrip(b"\n") + end
    dump = tmp_path / "dump.gz"
    dump.write_bytes(gzip.compress(text, 1))
    with closing(OpenDump(dump)) as opened:
        assert opened.era == expected
        assert b"".join(batch.text.tobytes() for batch in opened.batches(250))[-20:] == text[-20:]


@pytest.mark.parametrize("text", [b"", b"\n\nx\ty\n"])
def test_a_text_without_a_good_line_has_no_era(text: bytes) -> None:
    assert detect_era(text) is None
