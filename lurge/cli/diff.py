"""`lurge diff`: changes between two stored dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lurge.cli.options import ConfigOption, JsonOption, say, say_json
from lurge.cli.show import ROWS, LimitOption, VolumeOption, read_with_names
from lurge.errors import StoreError, UsageError

if TYPE_CHECKING:
    from lurge.store.usage.read.difference import Change, Difference, Missing

DATE = "%Y-%m-%d"


def diff(
    first: Annotated[datetime, typer.Argument(metavar="BEFORE", formats=[DATE], help="A stored date.")],
    second: Annotated[datetime, typer.Argument(metavar="AFTER", formats=[DATE], help="Another stored date.")],
    volume: VolumeOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show changes between two stored dates, by group and person.

    Only volumes with both dates are compared; the others are named. Groups count with their base directories, people
    with everything that they own. The largest change comes first.

    Example: lurge diff 2024-01-01 2024-01-31 --limit 10
    """
    from lurge.store.usage.read.difference import difference

    before, after = first.date(), second.date()
    if before == after:
        raise UsageError(f"{before} is given twice", "`lurge show history` lists the stored dates.")
    changed = read_with_names(config, volume, None, lambda connection, names, _: difference(
        connection, names, before, after
    ))  # fmt: skip
    if not changed.group_volumes and not changed.people_volumes:
        reasons = "; ".join(missing_text(row) for row in changed.missing)
        raise StoreError(f"no volume has both dates: {reasons}", "`lurge show history` lists the stored dates.")
    if json:
        say_json(difference_json(changed, before, after, limit))
    else:
        say(*difference_lines(changed, before, after, limit or ROWS))


def difference_lines(changed: Difference, before: date, after: date, limit: int) -> Iterator[str]:
    """Tables of groups and people."""
    for head, rows, volumes in (
        ("group", changed.groups, changed.group_volumes),
        ("user", changed.people, changed.people_volumes),
    ):
        names = ", ".join(volumes)
        yield f"By {head}, from {before} to {after}" + (f": {names}" if names else ": no volume has both dates")
        if volumes:
            yield from change_table(head, rows, limit)
        yield ""
    for row in changed.missing:
        yield f"Not compared: {missing_text(row)}"
    if not changed.missing:
        yield "Every volume has both dates."


def change_table(head: str, rows: list[Change], limit: int) -> Iterator[str]:
    """The largest changes, and the sum of all."""
    from lurge.cli.overview import more_lines
    from lurge.cli.table import or_missing, table_lines
    from lurge.model.sizes import aligned_size

    def cells(before: int, after: int, name: str) -> tuple[str, ...]:
        change = after - before
        return aligned_size(change, signed=True), f"{change:+,}", aligned_size(before), aligned_size(after), name

    totals = [(before, after, name) for name, before, after in totals_of(rows) if before != after]
    shown = [cells(before, after, or_missing(name)) for before, after, name in totals[:limit]]
    shown.append(cells(sum(row.before for row in rows), sum(row.after for row in rows), "all"))
    yield from table_lines(("change", "bytes", "before", "after", head), shown)
    yield from more_lines(len(totals), limit)


def totals_of(rows: Iterable[Change]) -> list[tuple[str | None, int, int]]:
    """Name, size before and after over all volumes; the largest change first."""
    sums: dict[str | None, tuple[int, int]] = {}
    for row in rows:
        before, after = sums.get(row.name, (0, 0))
        sums[row.name] = (before + row.before, after + row.after)
    totals = [(name, before, after) for name, (before, after) in sums.items()]
    return sorted(totals, key=lambda total: (-abs(total[2] - total[1]), total[0] or ""))


def missing_text(row: Missing) -> str:
    """The date that a volume lacks, and the nearest ones that it has."""
    of = "" if row.kind == "dump" else f" of its {row.kind}"
    near = f"; nearest: {', '.join(map(str, row.nearest))}" if row.nearest else ""
    return f"{row.volume} has nothing{of} at {row.record_date}{near}"


def difference_json(changed: Difference, before: date, after: date, limit: int | None) -> dict[str, Any]:
    """The changes by name, with those of each volume."""

    def rows_json(rows: list[Change], name_key: str) -> list[dict[str, Any]]:
        of_volumes: dict[str | None, list[dict[str, Any]]] = {}
        for row in rows:
            sizes = {"before": row.before, "after": row.after, "change": row.after - row.before}
            of_volumes.setdefault(row.name, []).append({"volume": row.volume, **sizes})
        return [
            {name_key: name, "before": old, "after": new, "change": new - old, "volumes": of_volumes[name]}
            for name, old, new in totals_of(rows)[:limit]
        ]

    return {
        "before": before,
        "after": after,
        "volumes": {"groups": changed.group_volumes, "users": changed.people_volumes},
        "groups": rows_json(changed.groups, "group"),
        "users": rows_json(changed.people, "user"),
        "missing": [row._asdict() for row in changed.missing],
    }
