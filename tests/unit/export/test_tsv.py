"""TSVs: escapes, human sizes, whole or not at all."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.atomic import whole_file
from lurge.errors import OutputError
from lurge.export import tsv
from lurge.export.tsv import cell, cells, inspector_lines, line, write_table
from lurge.model.stored import DirectoryPage
from tests.hostile import strategies


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "-"), (date(2024, 1, 2), "2024-01-02"), ("a\\b\tc\nd\re", r"a\\b\tc\nd\re")]
)
def test_a_cell_shows_nothing_as_a_dash_and_escapes_separators(value: object, shown: str) -> None:
    assert cell(value) == shown


@given(text=st.text() | strategies.text_names)
def test_cells_can_be_read_back(text: str) -> None:
    shown = cell(text)
    assert not re.search(r"[\t\n\r]", shown)
    back = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    assert re.sub(r"\\.", lambda match: back[match[0]], shown) == text
    assert cells([text, None, text]) == [shown, "-", shown]


def test_values_that_the_older_tool_left_out_are_shown_as_missing() -> None:
    page = DirectoryPage(["/p"], ["x"], [5], {"BAM": [2048]}, [None], [None], [None], ["g"])
    assert list(inspector_lines([page], ["BAM", "CRAM"])) == ["/p\tx\t5 B\t2.0 KiB\t0 B\t-\t-\t-\tg\n"]


def test_rows_are_sorted(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "x.tsv", ["a", "b"], map(line, [("é", 1), ("b", 2), ("b", 10)]))
    assert (tmp_path / "new" / "x.tsv").read_text() == "a\tb\nb\t10\nb\t2\né\t1\n"


def test_more_rows_than_are_sorted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "LINES_AT_ONCE", 7)
    rows = [(f"{number * 37 % 100}", number) for number in range(100)]
    write_table(tmp_path / "x.tsv", ["a", "b"], map(line, rows))
    lines = (tmp_path / "x.tsv").read_text().splitlines()
    assert lines == ["a\tb", *sorted(f"{name}\t{number}" for name, number in rows)]
    assert list(tmp_path.iterdir()) == [tmp_path / "x.tsv"]


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
    assert path.read_text() == "old"


def test_a_table_that_cannot_be_written_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"), whole_file(tmp_path / "file" / "x"):
        pass
