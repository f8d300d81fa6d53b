"""A group: its history with quota and forecast, its directories, filetypes, people and vault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from lurge.display import counted
from lurge.errors import PageError
from lurge.model.overview import GroupTotal, VolumeUse, person_totals
from lurge.model.sizes import human_size
from lurge.store.usage.read.history import DatedUse, history
from lurge.store.usage.read.kinds import kind_uses
from lurge.store.usage.read.overview import person_uses
from lurge.store.usage.read.pages import vault_sums
from lurge.view.columns import (
    FULL,
    LAST_MODIFIED,
    LEVEL,
    LEVELS,
    QUOTA,
    SHARE,
    USED,
    USER,
    VOLUME,
    fraction,
    to_base,
)  # fmt: skip
from lurge.view.context import Context
from lurge.view.forecast import band
from lurge.view.pages.groups import rows_of, totals_of
from lurge.view.table import Column, Order, RowsOf, Table, first_rows, table_of
from lurge.view.view import Asked, Fact, Page, Plot, View, address

SHOWN = 15
PLOTS = 6
"""Plots of volumes: those of the highest level, and of these the most used. A browser draws them slowly."""


class AskedGroup(Asked):
    """The choice of a group."""

    name: str = Field("", description="Name of the group.")
    volume: str = Field("", description="Only this volume.")


def make(context: Context, asked: AskedGroup) -> View:
    """A group, on all volumes or on one. Raises PageError."""
    key = context.key_of_group(asked.name)
    if key is None:
        raise PageError(f"there is no group {asked.name}, or it is not one of yours", "Search for a part of its name.")
    volumes = context.chosen_volumes([asked.volume] if asked.volume else [])
    totals = totals_of(context, volumes, key)
    total = totals[0] if totals else GroupTotal(asked.name)
    uses = history(context.connection, volumes, key)
    of_volume: dict[str, list[DatedUse]] = {}
    for use in uses:
        of_volume.setdefault(use.volume, []).append(use)
    dated = [use for name, use in total.volumes.items() if name in of_volume]
    plotted = plotted_volumes(dated)
    others = f"The plots show {len(plotted)} of {len(dated)} volumes. The use of each below leads to its own plot."
    view = View(
        asked.name,
        sentences=[*sentences(total), *([others] if len(plotted) < len(dated) else [])],
        facts=facts(total),
        plots=[history_plot(name, of_volume[name]) for name in plotted],
        crumbs=[("Groups", "/groups")],
    )
    view.tables += [
        table_of(
            "volumes", "Volumes", (VOLUME, USED, QUOTA, SHARE, LAST_MODIFIED, LEVEL, FULL, *EXPECTED),
            [row | expected_of(total.volumes[row["volume"]]) for row in rows_of([total], "volume")], Order(size=1000),
            "Nothing of this group is stored on this volume.",
        ),
        directory_table(total, asked),
        *kind_tables(context, volumes, key),
        people_table(context, volumes, key),
        vault_table(context, volumes, key, asked.name),
        history_table(uses),
    ]  # fmt: skip
    return view


EXPECTED = (Column("in_3_days", "In 3 days", "bytes"), Column("in_7_days", "In 7 days", "bytes"))


def expected_of(use: VolumeUse) -> dict[str, int | None]:
    return {"in_3_days": use.in_3_days, "in_7_days": use.in_7_days}


def plotted_volumes(uses: Sequence[VolumeUse]) -> list[str]:
    """The volumes that have a plot, in their order."""
    urgent = sorted(uses, key=lambda use: (-(use.warning_id or 1), -use.used))[:PLOTS]
    return [use.volume for use in uses if use in urgent]


def sentences(total: GroupTotal) -> list[str]:
    """The state of each volume in words, the worst first."""
    lines = []
    for use in sorted(total.volumes.values(), key=lambda use: -(use.warning_id or 1)):
        if not use.quota:
            lines.append(f"On {use.volume} no quota is known: nothing can be said about when it is full.")
        elif use.is_over:
            lines.append(f"On {use.volume} the quota is exceeded by {human_size(use.used - use.quota)}.")
        elif (use.warning_id or 1) > 1:
            when = f", which is reached on {use.quota_reached}" if use.quota_reached else ""
            state = LEVELS.get(use.warning_id or 1, "")
            lines.append(f"On {use.volume} the use grows towards the quota{when}: {state}.")
    return lines


def facts(total: GroupTotal) -> list[Fact]:
    """The totals of all volumes."""
    quota = sum(use.quota or 0 for use in total.volumes.values())
    level = max((use.warning_id or 1 for use in total.volumes.values()), default=1)
    return [
        Fact("PI", total.pi, link=address("/groups", pi=total.pi) if total.pi else None),
        Fact("used", total.used, "bytes"),
        Fact("outside base directories", total.unattributed, "bytes"),
        Fact("quota", quota or None, "bytes"),
        Fact("share of the quota", fraction(total.used, quota), "share"),
        Fact("status", level, "level", level=level),
        Fact("days since the last change", total.last_modified, "days"),
    ]


def history_plot(volume: str, own: list[DatedUse]) -> Plot:
    """The use of a volume over time, its quota, and the forecast with its band."""
    days = [row.record_date.isoformat() for row in own]
    expected = band([(row.record_date, row.used) for row in own])
    # Beyond the last horizon that the past could test, nothing is known about the width.
    tested = expected[: 1 + max((number for number, row in enumerate(expected) if row.high > row.low), default=-1)]
    within = [row.day.isoformat() for row in tested]
    data = [
        {"name": "used", "x": days, "y": [row.used for row in own], "mode": "lines+markers"},
        {"name": "quota", "x": days, "y": [row.quota or None for row in own], "mode": "lines", "line": {"shape": "hv"}},
        {"name": "nine of ten", "x": within + within[::-1], "mode": "none", "fill": "toself", "hoverinfo": "skip",
         "y": [row.high for row in tested] + [row.low for row in tested[::-1]]},
        {"name": "expected", "x": [row.day.isoformat() for row in expected], "y": [row.used for row in expected],
         "mode": "lines", "line": {"dash": "dash"}},
    ]  # fmt: skip
    label = f"Use of {volume}, the quota, and what is expected"
    layout = {"yaxis": {"title": {"text": "bytes"}, "rangemode": "tozero", "exponentformat": "SI"}}
    return Plot(f"history_{volume}", label, {"data": data, "layout": layout})


def directory_table(total: GroupTotal, asked: AskedGroup) -> Table:
    columns = (
        Column("path", "Base directory", link=to_base), VOLUME, USED, LAST_MODIFIED,
        Column("tree", "Tree", link=lambda row: address("/tree", volume=row["volume"], path=row["path"])),
        Column("without", "Quota without it", "share", help="Share of the quota if this directory were deleted"),
    )  # fmt: skip
    rows = []
    for row in rows_of([total], "directory"):
        use = total.volumes[row["volume"]]
        rows.append({**row, "tree": "open", "without": fraction(use.used - row["used"], use.quota)})
    rows.sort(key=lambda row: -row["used"])
    return table_of("directories", "Base directories", columns, rows, asked.order, "No base directory holds anything.")


def kind_tables(context: Context, volumes: list[str], key: int) -> Iterator[Table]:
    sums = (Column("size", "Size", "bytes"), Column("directories", "Directories", "count"))
    dates = context.dates("newest", volumes)
    types, ages = kind_uses(context.connection, dates, key)
    for name, title, one, kinds in (
        ("filetypes", "Filetypes", "Filetype", types),
        ("ages", "Ages of directories", "Age", ages),
    ):
        columns = (Column("name", one), *sums)
        yield table_of(name, title, columns, [kind._asdict() for kind in kinds], Order(size=100))


def people_table(context: Context, volumes: list[str], key: int) -> Table:
    dates = context.dates("users", volumes)
    people = person_totals(person_uses(context.connection, dates, key))
    columns = (USER, Column("size", "Size", "bytes"), Column("files", "Files", "count"),
               Column("last_modified", "Newest change", "date"))  # fmt: skip
    rows = [
        {"user": person.user, "size": person.size, "files": person.files, "last_modified": person.last_modified}
        for person in people
    ]
    return first_rows("people", "People", columns, rows, SHOWN)


def vault_table(context: Context, volumes: list[str], key: int, name: str) -> Table:
    dates = context.dates("vault", volumes)
    sums = vault_sums(context.connection, dates, key)
    columns = (
        Column("state", "State", link=lambda row: address("/vault", group=name, state=row["state"])), VOLUME,
        Column("files", "Files", "count"), Column("size", "Size", "bytes"),
    )  # fmt: skip
    rows = [{"state": state, "volume": volume, "files": files, "size": size} for volume, state, _, files, size in sums]
    return table_of("vault", "Vault", columns, rows, Order(size=100), "Nothing of this group is marked in a vault.")


def history_table(uses: list[DatedUse]) -> Table:
    columns = (Column("record_date", "Date", "date"), VOLUME, USED, QUOTA,
               Column("unattributed", "Outside", "bytes"))  # fmt: skip
    rows = RowsOf(uses[::-1])
    return first_rows("history", f"History, {counted(len(rows), 'row')}", columns, rows, SHOWN)


PAGE = Page("/group", "group", AskedGroup, make)
