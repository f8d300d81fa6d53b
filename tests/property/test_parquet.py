"""Parquet files that lurge writes are read by others as what they were written from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdCompressor

from lurge.store.tree.parquet import (
    BYTE_ARRAY,
    LONGEST_BOUND,
    Column,
    Dictionary,
    ParquetFile,
    codes,
    encode,
    plain,
    plain_texts,
    varint,
    with_levels,
)

NUMBER, MAYBE = Column("number"), Column("maybe", is_optional=True)
TEXT, NAME = Column("text", BYTE_ARRAY), Column("name", BYTE_ARRAY, is_text=True)
COLUMNS = (NUMBER, MAYBE, TEXT, NAME)

Row = tuple[int, int | None, bytes, str]

INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300)
NAMES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), min_size=1, max_size=300)
compress = ZstdCompressor(level=1).compress


def write(path: Path, groups: list[list[Row]], names: list[str]) -> None:
    file = ParquetFile(path, COLUMNS)
    for place, rows in enumerate(groups):
        numbers, maybe, texts, named = (list(values) for values in zip(*rows, strict=True))
        count, missing = len(rows), np.array([value is None for value in maybe])
        different = sorted(set(numbers))
        number_codes = codes(np.searchsorted(different, numbers).astype(np.uint32), len(different))
        number_dictionary = Dictionary(len(different), plain(np.array(different)))
        bounds = plain(np.array([min(numbers)])), plain(np.array([max(numbers)]))
        optional = with_levels(np.array([value or 0 for value in maybe], np.int64), missing)
        places = np.array([names.index(name) for name in named], np.uint32)
        dictionary = Dictionary(len(names), plain_texts([name.encode() for name in names]))
        file.append(
            count,
            [
                encode(count, number_codes, compress, bounds, number_dictionary)
                if place % 2
                else encode(count, plain(np.array(numbers)), compress, bounds),
                encode(count, optional, compress),
                encode(count, plain_texts(texts), compress, (min(texts), max(texts))),
                encode(count, codes(places, len(names)), compress, dictionary=dictionary),
            ],
        )
    file.close()


def by_arrow(path: Path) -> list[Row]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def by_duckdb(path: Path) -> list[Row]:
    with duckdb.connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()


@given(data=st.data(), names=NAMES)
def test_others_read_what_was_written(data: st.DataObject, names: list[str]) -> None:
    row = st.tuples(INTEGERS, st.none() | INTEGERS, st.binary(max_size=20), st.sampled_from(names))
    groups: list[list[Row]] = data.draw(
        st.lists(st.lists(row, min_size=1, max_size=40), min_size=1, max_size=18), label="row groups"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kind" / "file.parquet"
        write(path, groups, names)
        written = [values for rows in groups for values in rows]
        assert by_arrow(path) == written
        assert by_duckdb(path) == written
        metadata = pq.read_metadata(path)
        for number, rows in enumerate(groups):
            group = metadata.row_group(number)
            assert group.num_rows == len(rows)
            for column in (0, 2):
                statistics = group.column(column).statistics
                assert (statistics.min, statistics.max) == (
                    min(values[column] for values in rows),
                    max(values[column] for values in rows),
                )


@pytest.mark.parametrize("number", [256, 257, 65_536, 65_537])
def test_a_dictionary_may_be_long(tmp_path: Path, number: int) -> None:
    path, names = tmp_path / "file.parquet", [f"name {place}" for place in range(number)]
    rows: list[Row] = [(1, None, b"", names[place]) for place in (0, number - 1, 3)]
    write(path, [rows], names)
    assert by_arrow(path) == by_duckdb(path) == rows


def test_a_long_text_is_no_bound(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    write(path, [[(1, None, b"x" * (LONGEST_BOUND + 1), "a")]], ["a"])
    assert by_arrow(path) == [(1, None, b"x" * (LONGEST_BOUND + 1), "a")]
    assert pq.read_metadata(path).row_group(0).column(2).statistics is None


def test_a_file_without_rows_is_not_written(tmp_path: Path) -> None:
    ParquetFile(tmp_path / "file.parquet", COLUMNS).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("number", "written"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_small_numbers_take_few_bytes(number: int, written: Any) -> None:
    assert varint(number) == written
