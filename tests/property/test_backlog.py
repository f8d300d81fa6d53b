"""Backlogs: every line is an observation or is rejected with a reason, whatever is in it."""

from __future__ import annotations

import csv
import io
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from lurge.errors import WorksError
from lurge.model.works import PUBLISH_STATES, STATES, WEB, Observation
from lurge.source.backlog import COLUMNS, LONGEST_LINE, BacklogRules, RejectedLine, bounded_lines, read_backlog

RULES = BacklogRules(
    {name.casefold(): name for name in STATES}, {name.casefold(): name for name in PUBLISH_STATES}, WEB
)
HEADER = ",".join(COLUMNS).encode() + b"\n"

names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
rows = st.tuples(
    st.dates(), names, names.filter(lambda name: name.strip("/")), names, st.none() | st.dates(),
    st.sampled_from([name for name in STATES if name != "published"]), st.integers(0, 10**12),
)  # fmt: skip


@given(st.binary() | st.lists(st.binary(max_size=60)).map(b",".join))
def test_any_bytes_are_observations_or_rejected_lines(noise: bytes) -> None:
    found = list(read_backlog(bounded_lines(io.BytesIO(HEADER + noise)), RULES))
    lines = [line for line in noise.split(b"\n") if line.rstrip(b"\r").strip()]
    assert len(found) == len(lines)
    assert all(isinstance(row, Observation | RejectedLine) for row in found)


@given(st.binary())
def test_any_first_line_is_a_header_or_an_error(noise: bytes) -> None:
    try:
        assert list(read_backlog([noise], RULES)) == []
    except WorksError as error:
        assert error.message


@given(st.lists(rows), st.sampled_from(["%Y-%m-%d", "%m-%d-%Y"]))
def test_what_was_written_is_read(written: list[tuple[date, str, str, str, date | None, str, int]], form: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text)

    def dated(day: date | None) -> str:
        return "" if day is None else form.replace("%Y", f"{day.year:04}").replace("%m", f"{day.month:02}").replace(
            "%d", f"{day.day:02}"
        )  # fmt: skip

    for day, host, project, work, made, state, images in written:
        writer.writerow([dated(day), host, project, work, dated(made), state, images])
    found = list(read_backlog(bounded_lines(io.BytesIO(HEADER + text.getvalue().encode())), RULES))
    assert found == [
        Observation(day, host, project.rstrip("/") or "/", work, made, state, None, images)
        for day, host, project, work, made, state, images in written
    ]


def test_a_line_of_any_length_takes_little_memory() -> None:
    lines = list(bounded_lines(io.BytesIO(b"x" * 10 * LONGEST_LINE + b"\nshort\n")))
    assert [len(line) for line in lines] == [LONGEST_LINE + 2, 6]
