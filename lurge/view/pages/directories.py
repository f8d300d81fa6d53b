"""The inspector: base directories, and the directories in one with their sizes by filetype."""

from __future__ import annotations

from pydantic import Field

from lurge.errors import PageError
from lurge.store.usage.read.pages import base_key, sub_directories
from lurge.view.columns import GROUP, LAST_MODIFIED, PI, USED, VOLUME, to_base
from lurge.view.context import Context
from lurge.view.pages.groups import rows_of, totals_of
from lurge.view.table import Column, Row, Table, table_of
from lurge.view.view import Asked, Page, View, address


class AskedDirectories(Asked):
    """The choice of directories."""

    volume: str = Field("", description="Name of the volume.")
    base: str = Field("", description="Path of a base directory, to see what is in it.")
    group: str = Field("", description="A part of the group's name.")
    path: str = Field("", description="A part of the path.")


def make(context: Context, asked: AskedDirectories) -> View:
    """The base directories; or, of one of them, its directories. Raises PageError."""
    if asked.base:
        return inspect(context, asked)
    volumes = context.chosen_volumes([asked.volume] if asked.volume else [])
    rows = [
        row
        for row in rows_of(totals_of(context, volumes, context.scope), "directory")
        if asked.group.casefold() in (row["group"] or "").casefold() and asked.path.casefold() in row["path"].casefold()
    ]
    rows.sort(key=lambda row: -row["used"])
    columns = (Column("path", "Base directory", link=to_base), GROUP, PI, VOLUME, USED, LAST_MODIFIED)
    table = table_of("directories", "Base directories", columns, rows, asked.order, "No base directory matches.")
    return View("Directories", tables=[table], choices={"volume": context.volumes})


def inspect(context: Context, asked: AskedDirectories) -> View:
    """The directories in a base directory."""
    key = base_key(context.connection, asked.volume, asked.base)
    order = asked.order
    by, descending = (order.column, order.is_descending) if order.by else ("size", True)
    total, found = (
        sub_directories(context.connection, key, context.scope, by, descending, order.start, order.size)
        if key is not None
        else (0, [])
    )
    if not total:
        raise PageError(
            f"no base directory {asked.base} of {asked.volume}, or nothing of your groups is in it",
            "Choose one from the list of directories.",
        )
    types = sorted({name for row in found for name in row.filetypes})
    rows = [
        {
            **row._asdict(),
            "volume": asked.volume,
            "base": asked.base,
            **{f"size_{name}": row.filetypes.get(name) for name in types},
        }
        for row in found
    ]
    columns = (
        Column("path", "Directory", link=to_tree), GROUP, PI, Column("size", "Size", "bytes"),
        Column("files", "Files", "count"), LAST_MODIFIED, *(Column(f"size_{name}", name, "bytes") for name in types),
    )  # fmt: skip
    return View(
        asked.base,
        sentences=["A file counts in every filetype that matches its name."],
        tables=[Table("directories", "Directories", columns, rows, total, order=order)],
        crumbs=[("Directories", "/directories"), (asked.volume, address("/directories", volume=asked.volume))],
        has_form=False,
    )


def to_tree(row: Row) -> str | None:
    """The address of a directory in the tree. Its path is below its base directory; `.` is that itself."""
    below = row["path"]
    path = row["base"] if below == "." else f"{row['base'].rstrip('/')}/{below}"
    return address("/tree", volume=row["volume"], path=path) if below else None


PAGE = Page("/directories", "directories", AskedDirectories, make, menu="Directories", form=("group", "path", "volume"))
