"""Groups, people, filetypes and ages as tables for people and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any

from lurge.cli.table import or_missing, share, table_lines
from lurge.display import counted
from lurge.model.overview import GroupTotal, KindUse, PersonTotal, VolumeUse
from lurge.model.sizes import aligned_size, human_size
from lurge.store.usage.read.overview import Overview

VOLUMES_NAMED = 3


def where_and_when(dates: dict[str, date]) -> str:
    """The names of volumes, or their number if there are many, and their newest dates."""
    names = ", ".join(dates) if len(dates) <= VOLUMES_NAMED else counted(len(dates), "volume")
    first, last = min(dates.values()), max(dates.values())
    return f"{names}, {last}" if first == last else f"{names}, {first} to {last}"


def more_lines(total: int, limit: int | None) -> Iterator[str]:
    """The number of rows that a table leaves out."""
    if limit is not None and total > limit:
        yield f"  {total - limit:,} more: --limit {total}"


def group_table(overview: Overview, limit: int | None) -> Iterator[str]:
    """Groups by their use in base directories."""
    total = overview.used + overview.unattributed
    rows = [
        (
            aligned_size(group.used),
            f"{group.used:,}",
            share(group.used, total),
            quota_share(group),
            or_missing(group.last_modified),
            or_missing(group.group),
            group.pi or "",
        )
        for group in overview.groups[:limit]
    ]
    yield from table_lines(("size", "bytes", "share", "quota", "days", "group", "PI"), rows, texts=2)
    if overview.unattributed:
        yield f"  {human_size(overview.unattributed)} lie outside base directories"
    yield from more_lines(len(overview.groups), limit)


def quota_share(group: GroupTotal) -> str:
    """The used part of a group's quota, on the volume where it is largest."""
    fullest = max((use for use in group.volumes.values() if use.quota), key=fullness, default=None)
    return share(fullest.used, fullest.quota or 0) if fullest else or_missing(None)


def fullness(use: VolumeUse) -> float:
    return use.used / use.quota if use.quota else 0.0


def base_table(group: GroupTotal) -> Iterator[str]:
    """A group's volumes, with quotas, and its base directories on each."""
    for use in group.volumes.values():
        yield f"{use.volume}, {use.record_date}: {quota_text(use)}"
        if expected := forecast_text(use):
            yield f"  {expected}"
        rows = [
            (aligned_size(base.used), f"{base.used:,}", or_missing(base.last_modified), base.base)
            for base in sorted(use.bases, key=lambda base: (-base.used, base.base))
        ]
        if use.unattributed:
            rows.append((aligned_size(use.unattributed), f"{use.unattributed:,}", "", "outside base directories"))
        yield from table_lines(("size", "bytes", "days", "directory"), rows)


def quota_text(use: VolumeUse) -> str:
    """The use of a volume and its quota."""
    if not use.quota:
        return f"{human_size(use.used)}, no quota"
    return (
        f"{human_size(use.used)} of {human_size(use.quota)} ({share(use.used, use.quota)}), {or_missing(use.warning)}"
    )


def forecast_text(use: VolumeUse) -> str:
    """The expected use of a volume, and the date when the quota is reached; empty without a quota."""
    if not use.quota:
        return ""
    reached = f"; full on {use.quota_reached}" if use.quota_reached and not use.is_over else ""
    days = ", ".join(
        f"in {number} days {human_size(size)}"
        for number, size in ((3, use.in_3_days), (7, use.in_7_days))
        if size is not None
    )
    return f"{days}{reached}" if days else reached.removeprefix("; ")


def people_table(people: Sequence[PersonTotal], limit: int | None) -> Iterator[str]:
    """People by the size of their files."""
    total = sum(person.size for person in people)
    rows = [
        (
            aligned_size(person.size),
            f"{person.size:,}",
            share(person.size, total),
            or_missing(None if person.files is None else f"{person.files:,}"),
            or_missing(person.last_modified),
            or_missing(person.user),
        )
        for person in people[:limit]
    ]
    yield from table_lines(("size", "bytes", "share", "files", "newest", "user"), rows)
    yield from more_lines(len(people), limit)


def kind_table(head: str, kinds: Sequence[KindUse], total: int, limit: int | None = None) -> Iterator[str]:
    """Filetypes or ages by size."""
    rows = [
        (aligned_size(kind.size), f"{kind.size:,}", share(kind.size, total), f"{kind.directories:,}", kind.name)
        for kind in kinds[:limit]
    ]
    yield from table_lines(("size", "bytes", "share", "directories", head), rows)
    yield from more_lines(len(kinds), limit)


def worried(groups: Collection[GroupTotal]) -> list[tuple[GroupTotal, VolumeUse]]:
    """Groups that are over quota, then those that are close to it; the worst first."""
    pairs = [
        (group, use) for group in groups for use in group.volumes.values() if use.is_over or (use.warning_id or 1) > 1
    ]

    def badness(pair: tuple[GroupTotal, VolumeUse]) -> tuple[object, ...]:
        group, use = pair
        level, reached = use.warning_id or 1, use.quota_reached or date.max
        return not use.is_over, -fullness(use) if use.is_over else -level, reached, use.volume, group.group or ""

    return sorted(pairs, key=badness)


def groups_json(groups: Sequence[GroupTotal]) -> list[dict[str, Any]]:
    return [
        {
            "group": group.group,
            "pi": group.pi,
            "used": group.used,
            "unattributed": group.unattributed,
            "last_modified": group.last_modified,
            "volumes": [volume_json(use) for use in group.volumes.values()],
        }
        for group in groups
    ]


def volume_json(use: VolumeUse) -> dict[str, Any]:
    return {
        **quota_json(use),
        "unattributed": use.unattributed,
        "directories": [
            {"path": base.base, "used": base.used, "last_modified": base.last_modified} for base in use.bases
        ],
    }


def quota_json(use: VolumeUse) -> dict[str, Any]:
    """The use of a volume, its quota and its forecast."""
    return {
        "volume": use.volume,
        "record_date": use.record_date.isoformat(),
        "used": use.used,
        "quota": use.quota,
        "is_over": use.is_over,
        "level": use.warning_id,
        "warning": use.warning,
        "expected_in_3_days": use.in_3_days,
        "expected_in_7_days": use.in_7_days,
        "quota_reached": use.quota_reached.isoformat() if use.quota_reached else None,
    }


def people_json(people: Sequence[PersonTotal]) -> list[dict[str, Any]]:
    return [
        {
            "user": person.user,
            "size": person.size,
            "files": person.files,
            "last_modified": person.last_modified,
            "uses": [use._asdict() for use in person.uses],
        }
        for person in people
    ]


def warnings_json(groups: Collection[GroupTotal]) -> list[dict[str, Any]]:
    return [{"group": group.group, "pi": group.pi, **quota_json(use)} for group, use in worried(groups)]


def overview_json(overview: Overview) -> dict[str, Any]:
    """All figures, in bytes."""
    return {
        "dates": dict(overview.dates),
        "groups": groups_json(overview.groups),
        "users": people_json(overview.people),
        "filetypes": [kind._asdict() for kind in overview.filetypes],
        "ages": [kind._asdict() for kind in overview.ages],
        "warnings": warnings_json(overview.groups),
    }
