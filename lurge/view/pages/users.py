"""People: their use by group and volume, and over time."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from lurge.errors import PageError
from lurge.model.overview import person_totals
from lurge.store.usage.read.overview import person_uses
from lurge.store.usage.read.pages import VaultFilter, person_history
from lurge.view.columns import GROUP, USER, VOLUME, to_user
from lurge.view.context import Context
from lurge.view.pages.vault import vault_table
from lurge.view.table import ALL, Column, Order, table_of
from lurge.view.view import Asked, Fact, Page, Plot, View


class AskedUsers(Asked):
    """The choice of people."""

    user: str = Field("", description="A part of the user's name.")
    group: str = Field("", description="Name of a group.")
    volume: str = Field("", description="Name of the volume.")


class AskedUser(Asked):
    """The choice of a person."""

    name: str = Field("", description="Name of the user.")


SIZES = (Column("size", "Size", "bytes"), Column("files", "Files", "count"),
         Column("last_modified", "Newest change", "date"))  # fmt: skip


def make(context: Context, asked: AskedUsers) -> View:
    """The people that match."""
    volumes = context.chosen_volumes([asked.volume] if asked.volume else [])
    dates = context.dates("users", volumes)
    keys: int | frozenset[int] | None = context.scope
    if asked.group:
        key = context.key_of_group(asked.group)
        keys = frozenset() if key is None else key
    people = person_totals(person_uses(context.connection, dates, keys))
    rows = [
        {
            "user": person.user,
            "size": person.size,
            "files": person.files,
            "last_modified": person.last_modified,
            "groups": len({use.group for use in person.uses}),
            "volumes": len({use.volume for use in person.uses}),
        }
        for person in people
        if asked.user.casefold() in (person.user or "").casefold()
    ]
    columns = (
        USER,
        replace(SIZES[0], link=to_user),
        *SIZES[1:],
        Column("groups", "Groups", "count"),
        Column("volumes", "Volumes", "count"),
    )
    table = table_of("users", "People", columns, rows, asked.order, "Nobody matches. Clear a filter.")
    return View("People", tables=[table], choices={"volume": context.volumes})


def make_one(context: Context, asked: AskedUser) -> View:
    """A person, in the groups that may be seen. Raises PageError."""
    dates = context.dates("users")
    found = person_uses(context.connection, dates, context.scope, asked.name)
    # Databases of the older tool take names for equal that are not.
    uses = [use for use in found if use.user == asked.name]
    dated = person_history(context.connection, asked.name, context.scope, context.volumes)
    if not uses and not dated:
        raise PageError(f"there is no user {asked.name}, or nothing of theirs is in your groups", "Search for a name.")
    rows = sorted((use._asdict() for use in uses), key=lambda row: -row["size"])
    table = table_of("uses", "By group and volume", (GROUP, VOLUME, *SIZES), rows, Order(size=10_000))
    data = [
        {
            "name": volume,
            "x": [day.isoformat() for day, name, _ in dated if name == volume],
            "y": [size for _, name, size in dated if name == volume],
            "mode": "lines+markers",
        }
        for volume in dict.fromkeys(name for _, name, _ in dated)
    ]
    layout = {"yaxis": {"title": {"text": "bytes"}, "rangemode": "tozero", "exponentformat": "SI"}}
    label = f"Use by {asked.name} over time"
    columns = (Column("record_date", "Date", "date"), VOLUME, Column("size", "Size", "bytes"))
    over_time = table_of(
        "history", "History", columns,
        [{"record_date": day, "volume": volume, "size": size} for day, volume, size in reversed(dated)], ALL,
    )  # fmt: skip
    over_time.order, over_time.shown = None, 10
    files = [use.files for use in uses]
    return View(
        asked.name,
        facts=[
            Fact("used", sum(use.size for use in uses), "bytes"),
            Fact("files", None if None in files else sum(number or 0 for number in files), "count"),
        ],
        plots=[Plot("history", label, {"data": data, "layout": layout})] if dated else [],
        tables=[table, vault_table(context, VaultFilter(user=asked.name), asked.order), over_time],
        crumbs=[("People", "/users")],
    )


PAGE = Page("/users", "users", AskedUsers, make, menu="People", form=("user", "group", "volume"))
ONE = Page("/user", "user", AskedUser, make_one)
