"""Groups: their use of volumes, quotas and warnings, as rows of volumes or of base directories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lurge.model.overview import GroupTotal, GroupUse, group_totals
from lurge.store.usage.read.overview import base_uses, group_uses, outside_uses
from lurge.store.usage.read.pages import vault_sums
from lurge.view.columns import FULL, GROUP, LAST_MODIFIED, LEVEL, PI, QUOTA, SHARE, USED, VOLUME, fraction, to_base
from lurge.view.context import Context
from lurge.view.sizes import parse_size
from lurge.view.table import Column, Row, table_of
from lurge.view.view import Asked, Page, Plot, View, or_none


def checked_size(text: str) -> str:
    parse_size(text)
    return text


Size = Annotated[str, AfterValidator(checked_size)]
Days = Annotated[int | None, BeforeValidator(or_none)]


class AskedGroups(Asked):
    """The choice of groups."""

    group: str = Field("", description="A part of the group's name.")
    pi: str = Field("", title="PI", description="Name of the PI.")
    volume: str = Field("", description="Name of the volume.")
    per: Literal["volume", "directory"] = Field("volume", title="A row for each", description="What a row is.")
    level: Literal["", "1", "2", "3"] = Field("", title="Status at least", description="Level of warning.")
    larger: Size = Field("", title="Used at least", description="Used at least, such as 1 TiB.")
    smaller: Size = Field("", title="Used at most", description="Used at most.")
    older: Days = Field(None, ge=0, title="Unchanged for, at least", description="Days since the last change.")
    newer: Days = Field(None, ge=0, title="Unchanged for, at most", description="Days since the last change.")
    archived: Literal["", "yes", "no"] = Field("", description="With or without files that are marked Archive.")


OUTSIDE = Column("outside", "Outside", "bytes", help="Outside base directories")
DIRECTORIES = Column("directories", "Directories", "count")
PATH = Column("path", "Path", link=to_base)

PER_VOLUME = (GROUP, PI, VOLUME, USED, QUOTA, SHARE, LAST_MODIFIED, LEVEL, FULL, OUTSIDE, DIRECTORIES)
PER_DIRECTORY = (GROUP, PI, VOLUME, PATH, USED, QUOTA, SHARE, LAST_MODIFIED, LEVEL, FULL)


def totals_of(context: Context, volumes: list[str], keys: int | frozenset[int] | None) -> list[GroupTotal]:
    """The totals of some groups at the newest date of each volume."""
    dates = context.dates("groups", volumes)
    return group_totals(base_uses(context.connection, dates, keys), outside_uses(context.connection, dates, keys))


def rows_by_volume(context: Context, volumes: list[str], keys: int | frozenset[int] | None) -> list[dict[str, Any]]:
    """The rows of `rows_of` for each group and volume, without their base directories, which takes less time."""
    dates = context.dates("groups", volumes)
    rows: dict[tuple[str | None, str], dict[str, Any]] = {}
    pis: dict[str | None, str | None] = {}
    for use in group_uses(context.connection, dates, keys):
        pis[use.group] = pis.get(use.group) or use.pi
        rows[use.group, use.volume] = row_of(use)
    for outside in outside_uses(context.connection, dates, keys):
        nothing = GroupUse(outside.volume, outside.group, None, None, None, None, None, 0, 0)
        rows.setdefault((outside.group, outside.volume), row_of(nothing))["outside"] += outside.used
    for row in rows.values():
        row["pi"] = pis.get(row["group"])
    return list(rows.values())


def row_of(use: GroupUse, outside: int = 0) -> dict[str, Any]:
    """The row of a group on a volume."""
    return {
        "group": use.group, "pi": use.pi, "volume": use.volume, "quota": use.quota,
        "share": fraction(use.used, use.quota), "level": use.warning_id, "full": use.quota_reached, "used": use.used,
        "outside": outside, "directories": use.directories, "last_modified": use.last_modified,
    }  # fmt: skip


def rows_of(totals: list[GroupTotal], per: str) -> Iterator[dict[str, Any]]:
    """The rows of a table of groups."""
    for total in totals:
        for use in total.volumes.values():
            days = [base.last_modified for base in use.bases if base.last_modified is not None]
            of_group = GroupUse(use.volume, total.group, total.pi, min(days, default=None), use.quota, use.warning_id,
                                use.quota_reached, len(use.bases), use.used)  # fmt: skip
            row = row_of(of_group, use.unattributed)
            if per == "volume":
                yield row
            else:
                for name in ("outside", "directories"):
                    del row[name]
                for base in use.bases:
                    yield row | {"path": base.base, "used": base.used, "last_modified": base.last_modified}


def make(context: Context, asked: AskedGroups) -> View:
    """The groups that match."""
    volumes = context.chosen_volumes([asked.volume] if asked.volume else [])
    if asked.per == "volume":
        found = rows_by_volume(context, volumes, context.scope)
    else:
        found = list(rows_of(totals_of(context, volumes, context.scope), "directory"))
    archived = archived_groups(context) if asked.archived else set()
    least, most = parse_size(asked.larger), parse_size(asked.smaller)

    def matches(row: Row) -> bool:
        days = row["last_modified"]
        return (
            (not asked.group or asked.group.casefold() in (row["group"] or "").casefold())
            and (not asked.pi or row["pi"] == asked.pi)
            and (not asked.level or (row["level"] or 1) >= int(asked.level))
            and (least is None or row["used"] >= least)
            and (most is None or row["used"] <= most)
            and (asked.older is None or (days is not None and days >= asked.older))
            and (asked.newer is None or (days is not None and days <= asked.newer))
            and (not asked.archived or ((row["volume"], row["group"]) in archived) == (asked.archived == "yes"))
        )

    rows = [row for row in found if matches(row)]
    rows.sort(key=lambda row: (-(row["share"] or 0), -row["used"], row["group"] or ""))
    columns = PER_VOLUME if asked.per == "volume" else PER_DIRECTORY
    table = table_of(
        "groups", "Groups", columns, rows, asked.order,
        "No group matches. Clear a filter, or see whether the volume has a report." if context.volumes
        else "No report is stored yet. Run `lurge report`.",
    )  # fmt: skip
    used, names = sum(row["used"] for row in rows), {row["volume"] for row in rows}
    return View(
        "Groups",
        sentences=[selection(len(rows), used, len(names))],
        plots=[scatter(rows)] if rows else [],
        tables=[table],
        choices={"volume": context.volumes, "pi": sorted({row["pi"] for row in found if row["pi"]})},
    )


def selection(rows: int, used: int, volumes: int) -> str:
    """The selection in words."""
    from lurge.display import counted
    from lurge.model.sizes import human_size

    return f"{counted(rows, 'row')}: {human_size(used)} on {counted(volumes, 'volume')}."


def archived_groups(context: Context) -> set[tuple[str, str | None]]:
    """(volume, group) of the files that are marked Archive."""
    dates = context.dates("vault")
    sums = vault_sums(context.connection, dates, context.scope)
    return {(volume, group) for volume, state, group, _, _ in sums if state == "Archive"}


def scatter(rows: Sequence[Row]) -> Plot:
    """Use against the age of the last change. Groups that changed today are at half a day: a logarithm has no 0."""
    known = [row for row in rows if row["last_modified"] is not None and row["used"]]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [max(row["last_modified"], 0.5) for row in known],
        "y": [row["used"] for row in known],
        "text": [f"{row['group']} on {row['volume']}" for row in known],
        "customdata": [to_group_of(row) for row in known],
    }
    layout = {
        "xaxis": {"title": {"text": "days since the last change"}, "type": "log"},
        "yaxis": {"title": {"text": "bytes used"}, "type": "log", "exponentformat": "SI"},
    }
    return Plot("use_by_age", "Use of each group against the days since its last change", {
        "data": [trace], "layout": layout,
    })  # fmt: skip


def to_group_of(row: Row) -> str | None:
    return GROUP.link(row) if GROUP.link else None


PAGE = Page(
    "/groups", "groups", AskedGroups, make, menu="Groups",
    form=("group", "pi", "volume", "per", "level", "larger", "smaller", "older", "newer", "archived"),
)  # fmt: skip
