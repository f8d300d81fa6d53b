"""The overview: every volume and how fresh it is, groups that need attention, what grows, and the last jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from lurge.display import counted
from lurge.store.usage.read.pages import uses_before, volume_states
from lurge.view.columns import FULL, GROUP, LEVEL, PI, QUOTA, SHARE, USED, VOLUME, to_volume
from lurge.view.context import Context
from lurge.view.pages.groups import rows_by_volume
from lurge.view.table import Column, Order, Row, Table, first_rows, table_of
from lurge.view.view import Asked, Fact, Page, View, address

SHOWN = 10
JOBS = 5
WEEK = 7


def age_in_words(day: date | None, today: date, expected: int) -> str:
    """The freshness of a volume's newest report as a sentence."""
    if day is None:
        return "No report is stored."
    days = (today - day).days
    when = {0: "today", 1: "yesterday"}.get(days, f"{counted(days, 'day')} ago")
    return f"From {when}." if days <= expected else f"From {when}: older than expected."


def make(context: Context, asked: Asked) -> View:
    """Everything at once."""
    volumes = context.volumes
    rows = rows_by_volume(context, volumes, context.scope)
    worried = sorted(
        (row for row in rows if (row["level"] or 1) > 1 or (row["share"] or 0) > 1),
        key=lambda row: (-(row["level"] or 1), -(row["share"] or 0)),
    )
    used = sum(row["used"] + row["outside"] for row in rows)
    states = volume_rows(context, rows)
    old = [row["volume"] for row in states if row["is_old"]]
    view = View(
        context.config.serve.title,
        sentences=[
            "All volumes are fresh." if volumes and not old else f"Older than expected: {', '.join(old)}." if old
            else "No report is stored yet. Run `lurge report`; then this page shows its volumes.",
            f"{counted(len(worried), 'group')} above a level of warning." if worried else "No group is above a level.",
        ],
        facts=[
            Fact("volumes", len(volumes), "count"),
            Fact("used", used, "bytes", link="/groups"),
            Fact("groups", len({row["group"] for row in rows}), "count", link="/groups"),
        ],
    )  # fmt: skip
    largest = sorted(rows, key=lambda row: -row["used"])
    view.tables = [
        table_of("volumes", "Volumes", VOLUMES if context.person.sees_all else VOLUMES_OF_SOME, states,
                 Order(size=1000), "No volume is stored yet. Run `lurge report`."),
        first_rows("warnings", "Groups above a level of warning", (*USES, LEVEL, FULL), worried, SHOWN,
                   "No group is above a level of warning."),
        first_rows("largest", "Largest groups", USES, largest, SHOWN, "No group uses anything."),
        growth_table(context, rows),
    ]  # fmt: skip
    if context.person.sees_all:
        from lurge.view.pages.jobs import job_table

        jobs = job_table(context, Order(size=JOBS), most=JOBS)
        jobs.order = None
        view.tables.append(jobs)
    return view


USES = (GROUP, PI, VOLUME, USED, QUOTA, SHARE)

VOLUMES_OF_SOME = (
    VOLUME,
    Column("record_date", "Newest", "date"),
    Column("freshness", "Freshness", level=lambda row: 3 if row["is_old"] else 1),
    Column("used", "Used", "bytes", link=lambda row: address("/groups", volume=row["volume"])),
)
VOLUMES = (
    *VOLUMES_OF_SOME,
    Column("records", "Records", "count", link=to_volume),
    Column("adds_up", "Adds up", level=lambda row: None if row.get("adds_up") in (None, "yes") else 3),
    Column("rejected", "Rejected lines", "count"),
    Column("unattributed", "Unattributed", "bytes", help="Outside base directories"),
)


def volume_rows(context: Context, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for each volume. A person who does not see all gets what their groups use."""
    dates = context.dates("newest")
    states = {state.volume: state for state in volume_states(context.connection, dates)}
    listed, used = [], dict.fromkeys(context.volumes, 0)
    for of_group in rows:
        used[of_group["volume"]] += of_group["used"] + of_group["outside"]
    for name in context.volumes:
        day = dates.get(name)
        row: dict[str, Any] = {
            "volume": name,
            "record_date": day,
            "is_old": day is None or (context.today - day).days > context.config.serve.expected_days,
            "freshness": age_in_words(day, context.today, context.config.serve.expected_days),
            "used": used[name],
        }
        state = states.get(name)
        if state and context.person.sees_all:
            row |= {
                "used": state.used,
                "records": state.records,
                "rejected": state.rejected,
                "unattributed": state.unattributed_bytes,
                "adds_up": "yes" if state.adds_up else "NO: run `lurge doctor`",
            }
        listed.append(row)
    return listed


def growth_table(context: Context, rows: Sequence[Row]) -> Table:
    """The groups that grew most in a week. rows: of all groups on all volumes."""
    dates = context.dates("groups")
    grown = list(growths(uses_before(context.connection, dates, WEEK, context.scope), rows))
    grown.sort(key=lambda row: -row["growth"])
    columns = (GROUP, VOLUME, Column("growth", "Growth", "growth"), USED, Column("since", "Since", "date"))
    return first_rows("growth", "Fastest growing groups", columns, grown, SHOWN,
                      "Growth is known once a report is stored that is a week older than the newest.")  # fmt: skip


def growths(before: Mapping[str, tuple[date, dict[str, int]]], rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield a row for each group whose use of a volume is not what it was. before: the date and the uses of volumes."""
    now: dict[str, dict[str, int]] = {name: {} for name in before}
    for row in rows:
        if row["volume"] in now and row["group"]:
            now[row["volume"]][row["group"]] = row["used"]
    for name, (since, uses) in before.items():
        for group in sorted(uses.keys() | now[name].keys()):
            used = now[name].get(group, 0)
            if growth := used - uses.get(group, 0):
                yield {"group": group, "volume": name, "growth": growth, "used": used, "since": since}


PAGE = Page("/", "overview", Asked, make, menu="Overview")
