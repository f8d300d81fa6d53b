"""A directory of the tree index as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lurge.model.paths import shown
from lurge.store.tree.layout import TIMES

if TYPE_CHECKING:
    from lurge.store.tree.directory import Directory
    from lurge.store.tree.read import Index
    from lurge.store.tree.sums import Measures
    from lurge.store.tree.usage import Filter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Dimension(StrEnum):
    """A dimension by which a directory can be divided."""

    GROUP = "group"
    USER = "user"
    FILETYPE = "filetype"
    AGE = "age"
    SIZE = "size"


def time_text(seconds: int | None) -> str | None:
    """A time in UTC, at most the end of the calendar; None for none."""
    if seconds is None:
        return None
    try:
        return (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except OverflowError:
        return "9999-12-31T23:59:59Z" if seconds > 0 else "0001-01-01T00:00:00Z"


def measures_json(sums: Measures) -> dict[str, Any]:
    """Sums as JSON has them."""
    return {name: time_text(value) if name in TIMES else value for name, value in asdict(sums).items()}


def tree_json(
    index: Index, place: Directory, wanted: Filter, filters: Mapping[str, Any], by: Dimension | None, depth: int,
    top: int | None,
) -> dict[str, Any]:  # fmt: skip
    """A directory as JSON. depth: levels of children; 0 for none."""
    result = {
        "volume": index.volume,
        "date": index.date.isoformat(),
        "path": shown(place.path),
        "filters": dict(filters),
        "total": measures_json(index.total(place, wanted)),
        "here": measures_json(index.total(place, wanted, own=True)),
        "children": children_json(index, place, wanted, depth, top) if depth else [],
    }
    if by:
        result["by"] = [
            {"value": value, **named(index, by, value), **measures_json(sums)}
            for value, sums in index.by(place, wanted, by.value)
        ]
    return result


def named(index: Index, by: Dimension, value: int | str) -> dict[str, str]:
    """The name of a group or user."""
    if by not in (Dimension.GROUP, Dimension.USER):
        return {}
    names = index.manifest["groups" if by is Dimension.GROUP else "users"]
    return {"name": names.get(str(value), str(value))}


def children_json(index: Index, place: Directory, wanted: Filter, depth: int, top: int | None) -> list[dict[str, Any]]:
    rows = []
    for child, sums in largest(index, place, wanted)[:top]:
        row = {"path": shown(child.path), **measures_json(sums)}
        if depth > 1:
            row["children"] = children_json(index, child, wanted, depth - 1, top)
        rows.append(row)
    return rows


def largest(index: Index, place: Directory, wanted: Filter) -> list[tuple[Directory, Measures]]:
    """The children that hold something, the largest first."""
    rows = index.child_sums(place, wanted)
    return sorted(rows, key=lambda row: (-amount(row[1]), -row[1].records, row[0].path))


def amount(sums: Measures) -> int:
    """The bytes, or, if they are not known, the records: the number by which rows are compared."""
    return sums.records if sums.bytes is None else sums.bytes
