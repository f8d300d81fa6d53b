"""The page of a directory: its table in any order, and the boxes of its treemap, beside a plain count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from lurge.config import load_config
from lurge.model.tree import AGE_DAYS
from lurge.view.app import make_app
from tests.integration.test_tree import DAY, TOP, own_directory, world
from tests.site import DUMP_TIME, Entry, Site

Matches = Callable[[Entry], bool]


@pytest.fixture
def client(site: Site) -> TestClient:
    site.has_tree = True
    site.configure()
    site.base_directories((10, TOP))
    # Times that no calendar has come last in any order.
    site.dump(*world(3), Entry(f"{TOP}/ancient/file", 1, gid=10, uid=1, mtime=-(2**40), type="f"))
    site.run()
    return TestClient(make_app(load_config(site.config), "secret" * 8), base_url="http://127.0.0.1")


ENTRIES = [*world(3), Entry(f"{TOP}/ancient/file", 1, gid=10, uid=1, mtime=-(2**40), type="f")]
FILTERS: dict[str, tuple[dict[str, str], Matches]] = {
    "all": ({}, lambda entry: True),
    "a group": ({"group": "10"}, lambda entry: entry.gid == 10),
    "old": ({"older": "30"}, lambda entry: DUMP_TIME - entry.mtime >= 30 * DAY),
    "old bam files of a user": (
        {"older": "365", "user": "2", "filetype": "BAM"},
        lambda entry: entry.uid == 2 and entry.type == "f" and str(entry.path).endswith(".bam")
        and DUMP_TIME - entry.mtime >= 365 * DAY,
    ),
}  # fmt: skip


SORTS = ("", "name", "-name", "bytes", "-share", "records", "-files")
BY_TIME = ("newest_change", "-newest_change")
"""Not with a filter by age, with which only some times are known."""


def children(path: str, matches: Matches) -> dict[str, list[Entry]]:
    """The records below each child of a directory, by the name of the child."""
    found: dict[str, list[Entry]] = {}
    for entry in ENTRIES:
        own = own_directory(entry)
        if entry.nlink and matches(entry) and own.startswith(path + "/"):
            found.setdefault(own[len(path) + 1 :].split("/")[0], []).append(entry)
    return found


def size_of(entry: Entry) -> int:
    return entry.size if entry.type == "d" else entry.size // max(entry.nlink, 1)


def age_of(entry: Entry) -> int:
    return sum(DUMP_TIME - min(entry.mtime, DUMP_TIME) >= days * DAY for days in AGE_DAYS)


def day_of(seconds: int) -> date | None:
    return datetime.fromtimestamp(seconds, UTC).date() if seconds > -(2**36) else None


def measures(entries: list[Entry]) -> dict[str, Any]:
    return {
        "bytes": sum(map(size_of, entries)),
        "records": len(entries),
        "files": sum(entry.type == "f" for entry in entries),
        "newest_change": day_of(max(min(entry.mtime, DUMP_TIME) for entry in entries)),
    }


@pytest.mark.parametrize("wanted", FILTERS)
def test_the_table_has_any_order_and_the_boxes_any_area(client: TestClient, wanted: str) -> None:
    given, matches = FILTERS[wanted]
    for path in (TOP, f"{TOP}/a", f"{TOP}/b/c"):
        expected = {name: measures(entries) for name, entries in children(path, matches).items()}
        for area in ("bytes", "records"):
            for sort in (*SORTS, *(BY_TIME if "older" not in given else ())):
                parameters = {"path": path, "area": area, "sort": sort, "rows": "1000", **given}
                answer = client.get("/api/tree", params=parameters)
                assert answer.status_code == 200
                rows = answer.json()["tables"]["children"]["rows"]
                assert [row["name"][:-1] for row in rows] == in_order(expected, area, sort), (path, area, sort)
                for row in rows:
                    values = expected[row["name"][:-1]]
                    assert {name: row[name] for name in ("bytes", "records", "files")} == {
                        name: values[name] for name in ("bytes", "records", "files")
                    }
                    if "older" not in given:
                        day = values["newest_change"]
                        assert row["newest_change"] == (day.isoformat() if day else None)
            check_boxes(answer.json()["plots"], path, area, matches)


def test_a_date_counts_for_a_path_without_its_volume(client: TestClient, site: Site) -> None:
    site.dump(Entry(f"{TOP}/young/x", 7), day="20240201")
    site.run()
    for path, day, status in (
        (f"{TOP}/a", "2024-01-31", 200), (f"{TOP}/young", "2024-01-31", 404), (f"{TOP}/a", "2024-02-01", 404),
        (f"{TOP}/young", "2024-02-01", 200), (f"{TOP}/young", "2001-01-01", 404),
    ):  # fmt: skip
        answer = client.get("/api/tree", params={"path": path, "at": day})
        assert answer.status_code == status, (path, day)
        assert status != 200 or f"as of {day}" in str(answer.json()["sentences"])


def in_order(expected: dict[str, dict[str, Any]], area: str, sort: str) -> list[str]:
    """The names of children in an order, in which those without a value come last; else the largest first."""
    names = sorted(expected, key=lambda name: (-expected[name][area], name))
    column = {"share": "bytes"}.get(sort.strip("-"), sort.strip("-"))
    if column == "name":
        names.sort(key=str.casefold, reverse=sort.startswith("-"))
    elif column:
        known = [name for name in names if expected[name][column] is not None]
        known.sort(key=lambda name: expected[name][column], reverse=sort.startswith("-"))
        names = known + [name for name in names if name not in known]
    return names


def check_boxes(plots: dict[str, Any], path: str, area: str, matches: Matches) -> None:
    """Two levels of boxes, each with its area and the age of most of its bytes."""
    if not children(path, matches):
        assert plots == {}
        return
    (trace,) = plots["treemap"]["data"]
    rows = zip(trace["ids"], trace["labels"], trace["parents"], trace["values"], trace["marker"]["colors"], strict=True)
    boxes = {identity: (label, parent, value, colour) for identity, label, parent, value, colour in rows}
    top, own = next(iter(boxes)), [entry for entry in ENTRIES if own_directory(entry) == path and entry.nlink]
    of_first_level = children(path, matches)
    amounts = {name: measures(entries)[area] for name, entries in of_first_level.items()}
    here = [entry for entry in own if matches(entry)]
    assert boxes[top][2] == sum(amounts.values()) + (measures(here)[area] if here else 0)
    opened = sorted(amounts, key=lambda name: (-amounts[name], name))[:8]
    expected = {(name, top): entries for name, entries in of_first_level.items()}
    identities = {label: identity for identity, (label, parent, _, _) in boxes.items() if parent == top}
    for name in opened:
        second = children(f"{path}/{name}", matches)
        expected |= {(label, identities[name]): entries for label, entries in second.items()}
    drawn = {(label, parent): (value, colour) for label, parent, value, colour in boxes.values() if parent}
    drawn.pop(("files here", top), None)
    assert drawn == {key: (measures(entries)[area], colour_of(entries)) for key, entries in expected.items()}


def colour_of(entries: list[Entry]) -> int | None:
    """The age of most bytes, the youngest of several; None without any byte."""
    sizes: Counter[int] = Counter()
    for entry in entries:
        sizes[age_of(entry)] += size_of(entry)
    most = max(sizes.values())
    return min(age for age, size in sizes.items() if size == most) if most else None
