"""`lurge tree --since`: growth of a directory between two dates, and who did it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from lurge.cli.options import say, say_json
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


def show_growth(
    index: Index, place: Directory, wanted: Filter, since: date, known: dict[str, Any] | None, top: int | None
) -> None:
    """Print what grew in a directory since a date, by directory, group and user.

    known: the directory as JSON, to which growth is added; None for tables.
    """
    before = open_index(index.folder.parent.parent, index.volume, since)
    try:
        old_place = before.find(place.path)
    except TreeError:
        old_place = None
    children = children_of(index, place, wanted)
    rows = {
        "children": changes(children, children_of(before, old_place, wanted)),
        "groups": changes(owners_of(index, place, wanted, "group"), owners_of(before, old_place, wanted, "group")),
        "users": changes(owners_of(index, place, wanted, "user"), owners_of(before, old_place, wanted, "user")),
    }
    total = change("total", index.total(place, wanted), before.total(old_place, wanted) if old_place else Measures())
    if known:
        grown = {name: part[:top] for name, part in rows.items()}
        grown["children"] = [
            {"path": row["name"], **measures_json(children.get(row["name"], Measures())), **row}
            for row in grown["children"]
        ]
        say_json(known | {"since": before.date.isoformat(), "total": known["total"] | total, **grown})
        return
    say(f"{shown(place.path)}  {index.volume}, {before.date} to {index.date}")
    heads = ("growth", "before", "now", "records")
    lines = [line_of(total)]
    say(*rows_aligned([(*heads, "name"), *lines, *map(line_of, rows["children"][: top or ROWS])], 1))
    for noun in ("groups", "users"):
        say(*rows_aligned([(*heads, noun), *map(line_of, rows[noun][: top or ROWS])], 1))


Sums = dict[str, Measures]


def children_of(index: Index, place: Directory | None, wanted: Filter) -> Sums:
    """The sums of each child by its path as shown."""
    return {shown(child.path): sums for child, sums in index.child_sums(place, wanted)} if place else {}


def owners_of(index: Index, place: Directory | None, wanted: Filter, by: By) -> Sums:
    """The sums of each group or user by its name."""
    names = index.manifest["groups" if by == "group" else "users"]
    same = Counter(names.values())
    rows = index.by(place, wanted, by) if place else []
    named = {str(value): names.get(str(value), str(value)) for value, _ in rows}
    # Two numbers may have one name.
    unique = {value: f"{name} ({value})" if same[name] > 1 else name for value, name in named.items()}
    return {unique[str(value)]: sums for value, sums in rows}


def changes(now: Sums, before: Sums) -> list[dict[str, Any]]:
    """Everything that changed, the largest growth first."""
    names = sorted(now.keys() | before.keys())
    rows = [change(name, now.get(name, Measures()), before.get(name, Measures())) for name in names]
    return sorted(
        (row for row in rows if row["bytes_growth"] or row["records_growth"]), key=lambda row: -row["bytes_growth"]
    )


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
