"""Inventories of hostile content: parsing equals a plain twin, and what is malformed gives a LakeError."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.errors import LakeError, LurgeError
from lurge.model.inventory import COLUMNS, ENCODED, DataFile, Inventory, column_of
from lurge.model.lake import Format
from lurge.model.paths import shown
from lurge.source.inventory.convert import Rejects
from lurge.source.inventory.lines import NEEDED, Lines, Owner, number_of
from lurge.source.inventory.manifest import parse_manifest
from lurge.source.inventory.places import Places
from lurge.source.inventory.rows import read_rows
from lurge.source.quote import quote_inside

NAMES = ("bucket", "key", "size", "islatest", "lastmodifieddate", "etag", "other")
TIME = datetime(2024, 1, 1, tzinfo=UTC)


class OneFile(Places):
    """A place with one file in memory."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._content = content

    def open(self, address: str) -> Any:
        return io.BytesIO(self._content)

    def exists(self, address: str) -> bool:
        return True


def inventory_of(file_format: Format = Format.CSV, columns: tuple[str, ...] = NAMES) -> Inventory:
    return Inventory("m", "b/c", TIME, file_format, columns, (DataFile("f"),), "x")


def read(content: bytes, inventory: Inventory) -> tuple[list[dict[str, Any]], Rejects]:
    rejects = Rejects()
    rows: list[dict[str, Any]] = []
    for batch in read_rows(OneFile(content), inventory, inventory.files[0], rejects):
        rows += batch.to_pylist()
    return rows, rejects


texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\0"), max_size=8)
escaped = st.lists(st.one_of(texts.filter(lambda text: "%" not in text), st.sampled_from(
    ["%20", "%FF", "%c3%a9", "%", "%2", "%zz", "+", "%25", "%0A"])), max_size=5).map("".join)  # fmt: skip
values = st.tuples(
    st.just("b"),
    escaped,
    st.one_of(st.integers(0, 2**63 - 1).map(str), st.sampled_from(["", "-1", "x", " 1", "9" * 30, "1.5"])),
    st.sampled_from(["true", "false", "", "TRUE", "maybe"]),
    st.sampled_from(["2023-01-02T03:04:05.678Z", "2023-01-02T03:04:05Z", "", "2023-13-02T03:04:05Z", "soon"]),
    texts,
    texts,
)


def twin(row: tuple[str, ...]) -> dict[str, Any] | None:
    """A row as a plain program reads it; None if it is rejected."""
    result: dict[str, Any] = dict(zip(NAMES, (value or None for value in row), strict=True))
    if not result["key"]:
        return None
    size, latest, time = (row[place].strip(" ") for place in (2, 3, 4))
    try:
        result["size"] = None if row[2] == "" else int(size)
        result["islatest"] = None if row[3] == "" else {"true": True, "false": False}[latest.lower()]
        result["lastmodifieddate"] = None if row[4] == "" else datetime.fromisoformat(time.replace("Z", "+00:00"))
    except (ValueError, KeyError):
        return None
    if result["size"] is not None and not 0 <= result["size"] < 2**63:
        return None
    content = unquote_to_bytes(result["key"])
    try:
        result["key"], result[ENCODED] = content.decode(), None
    except UnicodeDecodeError:
        result["key"], result[ENCODED] = shown(content), result["key"]
    return result


@given(st.lists(values, max_size=12), st.booleans())
def test_csv_is_read_as_by_the_twin(rows: list[tuple[str, ...]], is_compressed: bool) -> None:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    content = text.getvalue().encode()
    found, rejects = read(gzip.compress(content) if is_compressed else content, inventory_of())
    expected = [twin(row) for row in rows]
    assert found == [row for row in expected if row is not None]
    assert rejects.count == sum(row is None for row in expected)


def test_rows_that_are_not_utf8_are_counted() -> None:
    good = b'"b","k","1","true","","e","o"\n'
    rows, rejects = read(good + b'"b","k\xff","1","true","","e","o"\n' + b'"\xff"\n' + good, inventory_of())
    assert [row["key"] for row in rows] == ["k", "k"]
    assert rejects.count == 2


@given(st.binary(max_size=300), st.sampled_from(Format), st.booleans())
def test_nothing_but_rows_or_an_error_of_ours_comes_of_noise(content: bytes, file_format: Format, named: bool) -> None:
    for text in (content, gzip.compress(content), gzip.compress(content)[:-5]):
        try:
            read(text, inventory_of(file_format, NAMES if named else ()))
        except LakeError as error:
            assert error.message.startswith("f: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**20) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8,
)  # fmt: skip
USUAL = {
    "sourceBucket": "b", "version": "2016-11-30", "creationTimestamp": "1704067200000", "fileFormat": "CSV",
    "fileSchema": "Bucket, Key", "files": [{"key": "r/b/c/data/1.csv.gz", "size": 1, "MD5checksum": "0" * 32}],
}  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted(USUAL)), json_values, max_size=3), st.binary(max_size=20))
def test_a_manifest_is_an_inventory_or_an_error(changes: dict[str, Any], noise: bytes) -> None:
    for text in (json.dumps({**USUAL, **changes}).encode(), noise):
        try:
            inventory = parse_manifest(OneFile(b""), "x/manifest.json", text, "0")
        except (LurgeError, ValueError, KeyError, TypeError):
            continue
        assert inventory.bucket
        assert all(column_of(name) == name for name in inventory.columns)


KEYS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=10)
owners = st.lists(st.tuples(st.sampled_from(["", "a", "a/b", "a/b/c", "ab"]), st.integers(0, 99),
                            st.none() | st.integers(0, 99)), max_size=4, unique_by=lambda one: one[0])  # fmt: skip
objects = st.lists(st.tuples(
    KEYS | st.sampled_from(["a", "a/", "a/b/x", "ab/c", "a/bc"]), st.none() | st.integers(0, 2**62),
    st.none() | st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1)), st.none() | st.booleans(),
    st.none() | st.booleans(), st.none() | st.sampled_from(["12", "x", "", "9" * 30]),
), max_size=8)  # fmt: skip


@given(objects, owners)
def test_lines_are_those_of_the_twin(rows: list[tuple[Any, ...]], given_owners: list[tuple[Any, ...]]) -> None:
    order = ("key", "size", "lastmodifieddate", "islatest", "isdeletemarker", "objectowner")
    kinds = {**COLUMNS, ENCODED: pa.string()}
    table = pa.table({
        name: pa.array([None if name == ENCODED else row[order.index(name)] for row in rows], kinds[name])
        for name in NEEDED
    })  # fmt: skip
    lines = Lines("b", [Owner(*one) for one in given_owners]).of(table)
    expected, number = [], 0
    for key, size, time, latest, marker, owner in rows:
        if marker:
            continue
        number += 1
        gid = uid = number_of(owner)
        fitting = [one for one in given_owners if not one[0] or f"{key}/".startswith(f"{one[0]}/")]
        if fitting:
            _, gid, own = max(fitting, key=lambda one: len(one[0]))
            uid = uid if own is None else own
        seconds = int((time - datetime(1970, 1, 1)).total_seconds() // 1) if time else 0
        path = quote_inside(f"/b/{key}".encode()).decode()
        kind = "X" if latest is False else "f"
        fields = (f'"{path}"', size or 0, uid, gid, seconds, seconds, seconds, kind, number, 1, 0, size or 0)
        expected.append("\t".join(map(str, fields)) + "\n")
    assert lines.decode() == "".join(expected)


@pytest.mark.parametrize(("owner", "number"), [("15", 15), (None, 65534), ("", 65534)])
def test_owners_that_are_numbers_are_these(owner: str | None, number: int) -> None:
    assert number_of(owner) == number
    assert number_of("a") != number_of("b")
    assert Path
