"""Search from anywhere: for a group, a person, a PI, a volume or a path."""

from __future__ import annotations

from pydantic import Field

from lurge.errors import PageError, TreeError
from lurge.store.usage import schema
from lurge.store.usage.read.overview import person_uses
from lurge.store.usage.read.pages import names_with
from lurge.view.context import Context
from lurge.view.pages.groups import rows_of, totals_of
from lurge.view.pages.tree import place_of
from lurge.view.table import Column, Order, Row, table_of
from lurge.view.view import Asked, Page, View, address

MOST = 20


class AskedSearch(Asked):
    """The text to search for."""

    q: str = Field("", description="A part of a name, or a path.")


def make(context: Context, asked: AskedSearch) -> View:
    """Everything whose name contains a text, as far as it may be seen."""
    text = asked.q.strip()
    rows: list[Row] = list(results(context, text)) if text else []
    columns = (Column("name", "Name", link=lambda row: str(row["address"])), Column("kind", "Kind"))
    table = table_of(
        "results", "Results", columns, rows, Order(size=1000),
        "Nothing has this in its name. Search for a part of the name of a group, a person, a PI or a volume, or for a"
        " whole path.",
    )  # fmt: skip
    return View(f"Search: {text}" if text else "Search", tables=[table])


def results(context: Context, text: str) -> list[Row]:
    """The results, those of one kind after another."""
    rows: list[Row] = []
    folded = text.casefold()
    totals = totals_of(context, context.volumes, context.scope)
    groups = {total.group for total in totals if total.group and folded in total.group.casefold()}
    pis = {total.pi for total in totals if total.pi and folded in total.pi.casefold()}
    rows += [{"name": name, "kind": "group", "address": address("/group", name=name)} for name in sorted(groups)[:MOST]]
    rows += [{"name": name, "kind": "PI", "address": address("/groups", pi=name)} for name in sorted(pis)[:MOST]]
    for name in people(context, text):
        rows.append({"name": name, "kind": "person", "address": address("/user", name=name)})
    for name in context.volumes:
        if folded in name.casefold():
            rows.append({"name": name, "kind": "volume", "address": address("/tree", volume=name)})
    bases = [row for row in rows_of(totals, "directory") if folded in row["path"].casefold()]
    for row in bases[:MOST]:
        to = address("/directories", volume=row["volume"], base=row["path"])
        rows.append({"name": row["path"], "kind": f"base directory of {row['volume']}", "address": to})
    if text.startswith("/"):
        try:
            index = place_of(context, "", text, None, [])[0]
            rows.append({
                "name": text, "kind": "directory", "address": address("/tree", volume=index.volume, path=text),
            })  # fmt: skip
        except (PageError, TreeError):
            pass
    return rows


def people(context: Context, text: str) -> list[str]:
    """Names of people who have something in the groups that may be seen."""
    if context.scope is None:
        return names_with(context.connection, schema.user.c.user_name, text, MOST)
    dates = context.dates("users")
    names = {use.user for use in person_uses(context.connection, dates, context.scope) if use.user}
    return sorted(name for name in names if text.casefold() in name.casefold())[:MOST]


PAGE = Page("/search", "search", AskedSearch, make)
