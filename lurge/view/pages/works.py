"""Works: their states over time, what waits, and what lost images. Shown to people who see all groups."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from lurge.errors import PageError, StoreError
from lurge.store.works.area import WORKS
from lurge.store.works.read import WorkState, history, losses, totals, work_states
from lurge.store.works.ready import need_tables
from lurge.view.context import Context
from lurge.view.table import ALL, Column, Order, Row, Table, first_rows, table_of
from lurge.view.view import Asked, Page, Plot, View, address


class AskedWorks(Asked):
    """The choice of works."""

    state: str = Field("", description="Name of the state.")
    project: str = Field("", description="Name of the project.")


class AskedWork(Asked):
    """The choice of a work."""

    name: str = Field("", description="Name of the work.")


SHOWN = 15
EMPTY = "No works are stored. `lurge works gather -s STATE PATH` counts those of a tree."


def to_work(row: Row) -> str | None:
    return address("/work", name=row["work"])


WORK, STATE, PROJECT = Column("work", "Work", link=to_work), Column("state", "State"), Column("project", "Project")
IMAGES = Column("images", "Images", "count")


def stored(context: Context) -> bool:
    """True if there are tables of works. Raises PageError for a person who does not see all."""
    context.need_all("works are")
    try:
        need_tables(context.connection, WORKS)
    except StoreError:
        return False
    return True


def make(context: Context, asked: AskedWorks) -> View:
    """The states, projects and works. Raises PageError."""
    if not stored(context):
        return View("Works", tables=[table_of("states", "States", (STATE,), [], ALL, EMPTY)])
    everything = work_states(context.connection, with_most=True)
    rows = [
        row
        for row in everything
        if asked.state in ("", row.state, row.publish_state) and asked.project in ("", row.project)
    ]
    over_time, order = history(context.connection), list(context.config.works.all_states)
    return View(
        "Works",
        plots=[
            Plot("history", "Images in each state over time", {
                "data": [
                    {"name": state, "type": "bar", "x": [row.record_date.isoformat() for row in over_time
                     if row.state == state], "y": [row.images for row in over_time if row.state == state]}
                    for state in dict.fromkeys(row.state for row in over_time)
                ],
                "layout": {"barmode": "stack", "yaxis": {"title": {"text": "images"}}},
            })
        ] if over_time else [],
        tables=[
            total_table(rows), waiting_table(context, rows, asked.order), lost_table(everything, order, asked),
            first_rows("projects", "Projects", (PROJECT, STATE, Column("works", "Works", "count"), IMAGES),
                       [row._asdict() for row in totals(rows, by_project=True)], SHOWN, EMPTY),
        ],
        choices={
            "state": sorted({row.publish_state or row.state for row in rows}),
            "project": sorted({row.project for row in rows}),
        },
    )  # fmt: skip


def total_table(rows: list[WorkState]) -> Table:
    """The present works and images of each state."""
    columns = (STATE, Column("works", "Works", "count"), IMAGES, Column("last_obs_date", "Last seen", "date"))
    return table_of("states", "States", columns, [row._asdict() for row in totals(rows, False)], Order(size=100), EMPTY)


def waiting_table(context: Context, rows: list[WorkState], order: Order) -> Table:
    """The works that are still in a state, those that were made first before the others."""
    columns = (
        WORK, PROJECT, STATE, Column("days", "Days", "days", help="Days since it was made"), IMAGES,
        Column("first_obs_date", "In the state since", "date"), Column("last_obs_date", "Last seen", "date"),
    )  # fmt: skip
    waiting = [
        {
            **row._asdict(),
            "state": row.reached,
            "days": (context.today - row.create_date).days if row.create_date else None,
        }
        for row in rows
        if row.is_present
    ]
    waiting.sort(key=lambda row: (-(row["days"] if isinstance(row["days"], int) else -1), str(row["work"])))
    return table_of("ageing", "Works by age", columns, waiting, order, "No work is in this state.")


def lost_table(rows: list[WorkState], order: Sequence[str], asked: AskedWorks) -> Table:
    """The works that lost images on the way to a state. rows: all, because a loss is from one state to another."""
    columns = (
        WORK, PROJECT, Column("state_before", "From"), Column("state", "To"),
        Column("images_before", "Images before", "count"), IMAGES, Column("lost", "Lost", "count"),
    )  # fmt: skip
    lost = [
        row._asdict()
        for row in losses(rows, order)
        if asked.state in ("", row.state_before, row.state) and asked.project in ("", row.project)
    ]
    empty = "No work lost an image from one state to the next."
    return first_rows("lost", "Works that lost images", columns, lost, SHOWN, empty)


def make_one(context: Context, asked: AskedWork) -> View:
    """A work's way through the states. Raises PageError."""
    rows = work_states(context.connection, asked.name) if stored(context) else []
    if not rows:
        raise PageError(f"there is no work {asked.name}", "Choose one from the list of works.")
    columns = (
        STATE, PROJECT, Column("host", "Host"), Column("first_obs_date", "First seen", "date"),
        Column("last_obs_date", "Last seen", "date"), Column("days", "Days", "days"), IMAGES,
        Column("bytes", "Size", "bytes"), Column("there", "Still there"),
    )  # fmt: skip
    way = [
        {
            **row._asdict(),
            "state": row.reached,
            "days": row.days,
            "there": "yes" if row.is_present else "no",
        }
        for row in rows
    ]
    return View(
        asked.name, tables=[table_of("way", "Way through the states", columns, way, ALL)], crumbs=[("Works", "/works")]
    )


PAGE = Page("/works", "works", AskedWorks, make, menu="Works", form=("state", "project"))
ONE = Page("/work", "work", AskedWork, make_one)
