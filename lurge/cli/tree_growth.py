"""`lurge tree --since`: growth of a directory between two dates, and who did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lurge.cli.answer import Answer
from lurge.cli.table import rows_aligned
from lurge.cli.tree_json import measures_json
from lurge.errors import TreeError
from lurge.model.paths import shown
from lurge.model.sizes import human_size
from lurge.store.tree.directory import Directory
from lurge.store.tree.read import By, Index, open_index
from lurge.store.tree.sums import Measures
from lurge.store.tree.usage import Filter

ROWS = 20


Sums = Mapping[Any, Measures]


@dataclass(frozen=True)
class Growth:
    """Growth of a directory since a date, as rows of `change`.

    parts: of its children, groups and users. children: the sums now of each child in `parts`.
    """

    since: date
    total: dict[str, Any]
    parts: dict[str, list[dict[str, Any]]]
    children: Sequence[Measures]


def growth_of(index: Index, place: Directory, wanted: Filter, since: date) -> Growth:
    """Compare a directory with itself at an earlier date. Raises TreeError."""
    before = open_index(index.folder.parent.parent, index.volume, since)
    try:
        old_place = before.find(place.path)
    except TreeError:
        old_place = None
    children = children_of(index, place, wanted)
    parts = {
        "children": changes(children, children_of(before, old_place, wanted), shown),
        "groups": changes(owners_of(index, place, wanted, "group"), owners_of(before, old_place, wanted, "group")),
        "users": changes(owners_of(index, place, wanted, "user"), owners_of(before, old_place, wanted, "user")),
    }
    old_total = before.total(old_place, wanted) if old_place else Measures()
    total = change("total", index.total(place, wanted), old_total)
    return Growth(
        before.date, total, {noun: [row for _, row in rows] for noun, rows in parts.items()},
        [children.get(path, Measures()) for path, _ in parts["children"]],
    )  # fmt: skip


def growth_json(growth: Growth, known: Mapping[str, Any], top: int | None) -> dict[str, Any]:
    """A directory as JSON, with its growth. known: as `tree_json` has it, without children."""
    parts = {noun: rows[:top] for noun, rows in growth.parts.items()}
    parts["children"] = [
        {"path": row["name"], **measures_json(sums), **row}
        for row, sums in zip(parts["children"], growth.children, strict=False)
    ]
    return {**known, "since": growth.since.isoformat(), "total": known["total"] | growth.total, **parts}


def growth_answer(growth: Growth, top: int | None) -> Answer:
    """The growth of a directory, its children, groups and users as rows."""
    kinds = {"children": "child", "groups": "group", "users": "user"}
    rows = [("total", growth.total), *((kinds[noun], row) for noun, part in growth.parts.items() for row in part[:top])]
    return Answer(["kind", *growth.total], [[kind, *row.values()] for kind, row in rows])


def growth_lines(index: Index, place: Directory, growth: Growth, top: int | None) -> Iterator[str]:
    """The growth of a directory for people."""
    yield f"{shown(place.path)}  {index.volume}, {growth.since} to {index.date}"
    heads = ("growth", "before", "now", "records")
    for noun, rows in growth.parts.items():
        lines = list(map(line_of, rows[: top or ROWS]))
        head = [(*heads, "name"), line_of(growth.total)] if noun == "children" else [(*heads, noun)]
        yield from rows_aligned([*head, *lines], 1)


def children_of(index: Index, place: Directory | None, wanted: Filter) -> Sums:
    """The sums of each child by its path."""
    return {child.path: sums for child, sums in index.child_sums(place, wanted)} if place else {}


def owners_of(index: Index, place: Directory | None, wanted: Filter, by: By) -> Sums:
    """The sums of each group or user by its name."""
    names = index.manifest["groups" if by == "group" else "users"]
    same = Counter(names.values())
    rows = index.by(place, wanted, by) if place else []
    named = {str(value): names.get(str(value), str(value)) for value, _ in rows}
    # Two numbers may have one name.
    unique = {value: f"{name} ({value})" if same[name] > 1 else name for value, name in named.items()}
    return {unique[str(value)]: sums for value, sums in rows}


def changes(now: Sums, before: Sums, name_of: Callable[[Any], str] = str) -> list[tuple[Any, dict[str, Any]]]:
    """Everything that changed, with its key, the largest growth first."""
    keys = sorted(now.keys() | before.keys())
    rows = [(key, change(name_of(key), now.get(key, Measures()), before.get(key, Measures()))) for key in keys]
    changed = [(key, row) for key, row in rows if row["bytes_growth"] or row["records_growth"]]
    return sorted(changed, key=lambda keyed: -keyed[1]["bytes_growth"])


def change(name: str, now: Measures, before: Measures) -> dict[str, Any]:
    """A change of one thing."""
    size, old_size = now.bytes or 0, before.bytes or 0
    return {
        "name": name, "bytes": size, "bytes_before": old_size, "bytes_growth": size - old_size,
        "records": now.records, "records_before": before.records, "records_growth": now.records - before.records,
    }  # fmt: skip


def line_of(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of a table."""
    growth = row["bytes_growth"]
    sign = "-" if growth < 0 else "+"
    return (
        f"{sign}{human_size(abs(growth))}", human_size(row["bytes_before"]), human_size(row["bytes"]),
        f"{row['records_growth']:+,}", row["name"],
    )  # fmt: skip
