"""Any directory of the tree indexes: a treemap and tables, with filters, and where it grew."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

import numpy as np
from pydantic import BeforeValidator, Field

from lurge.display import counted
from lurge.errors import PageError, TreeError
from lurge.model.paths import shown
from lurge.model.sizes import human_size
from lurge.store.tree.directory import Children, Directory
from lurge.store.tree.layout import TIMES
from lurge.store.tree.read import By, Index, open_each
from lurge.store.tree.sums import LATEST, Measures, Numbers
from lurge.store.tree.usage import Filter
from lurge.store.usage.read.pages import kept_below
from lurge.view.columns import fraction, group_address, user_address
from lurge.view.context import Context
from lurge.view.indexes import from_one_state, index_of
from lurge.view.table import ALL, Column, Order, Row, Table, first_rows, table_of
from lurge.view.treemap import Drawing, Growth, treemap
from lurge.view.view import Asked, Fact, Page, View, address, or_none

Ages = Literal["", "30", "60", "180", "365", "730", "1095", "1825", "2555"]
Axis = Literal["mtime", "atime"]


DAY = 86400
FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799
"""The times that have a date: those of the years 1 to 9999."""

SORTED_BY = {
    "bytes": "bytes", "share": "bytes", "records": "records", "files": "files", "newest_change": "newest_mtime",
    "newest_access": "newest_atime",
}  # fmt: skip
"""The measure by which each column of the table of directories is sorted."""

Day = Annotated[date | None, BeforeValidator(or_none)]


class AskedTree(Asked):
    """The choice of a directory, and of what counts in it."""

    volume: str = Field("", description="Name of the volume.")
    path: str = Field("", description="The directory. Bytes that are not UTF-8 as \\xHH.")
    group: str = Field("", description="Only this group.")
    user: str = Field("", description="Only this user.")
    filetype: str = Field("", description="Only this filetype.")
    older: Ages = Field("", title="Older than, days", description="Only what is older than so many days.")
    age: Axis = Field("mtime", title="Age since", description="The last change, or the last access.")
    area: Literal["bytes", "records"] = Field("bytes", title="Area", description="Area of the boxes: size, or number.")
    at: Day = Field(None, title="As of", description="Date of the index.")
    since: Day = Field(None, title="Growth since", description="Show growth since this date.")


def candidates(path: str) -> list[bytes]:
    """The bytes that a path in an address may mean: as it is, else with its escapes as bytes."""
    plain = path.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), plain)
    return [one.rstrip(b"/") or b"/" for one in dict.fromkeys((plain, raw))]


def place_of(
    context: Context, volume: str, path: str, day: date | None, used: list[Index]
) -> tuple[Index, Directory, Filter]:
    """The index and the directory that are asked for, and the filter of what may be seen. Raises PageError, TreeError.

    A directory in which nothing may be seen is as good as none. used: the opened indexes are added to it.
    """
    directory = context.config.tree.directory
    if volume:
        indexes = [index_of(directory, volume, day)]
    else:
        indexes, errors = open_each(directory, day)
        # Of a date, there may be none.
        if not indexes and errors and not day:
            raise errors[0]
    used += indexes
    paths = candidates(path) if path else [index.top.path for index in indexes]
    for index in sorted(indexes, key=lambda index: -len(index.top.path)):
        for one in paths:
            try:
                place = index.find(one)
            except TreeError:
                continue
            wanted = Filter(gids=context.gids(index))
            if wanted.gids is None or index.total(place, wanted).records:
                return index, place, wanted
    raise PageError(
        f"{path or volume or 'the tree'} is not a directory of an index, or nothing of your groups is in it",
        "Begin at the list of volumes. `lurge report` builds the indexes.",
    )


def make(context: Context, asked: AskedTree) -> View:
    """A directory, the top of a volume, or the list of volumes. Raises PageError, TreeError."""
    if not asked.volume and not asked.path:
        return from_one_state(lambda used: volumes(context, used))
    return from_one_state(lambda used: inspect(context, asked, used))


def inspect(context: Context, asked: AskedTree, used: list[Index]) -> View:
    """A directory. used: the opened indexes are added to it."""
    index, place, allowed = place_of(context, asked.volume, asked.path, asked.at, used)
    wanted = narrowed(index, allowed, asked)
    total, here = index.total(place, wanted), index.total(place, wanted, own=True)
    path = shown(place.path)
    view = View(
        path,
        sentences=[words(index, total, asked)],
        facts=measures(total),
        crumbs=crumbs(index, place),
        choices={
            "filetype": index.manifest["filetypes"],
            "group": names(index, allowed),
        },
    )
    children = index.child_sums(place, wanted)
    link = links_of(index, asked)
    drawing = Drawing(asked.area, asked.age, asked.since, link)
    before = sizes_before(context, index, place, asked, used)
    view.plots = [treemap(index, place, children, here, wanted, before, drawing)] if children else []
    view.tables = [child_table(children, total, asked, link)]
    for by, title in (("group", "Groups"), ("user", "People"), ("filetype", "Filetypes"), ("age", "Ages")):
        view.tables.append(by_table(index, place, wanted, by, title, total))  # type: ignore[arg-type]
    view.tables.append(kept_table(context, index, path))
    if before is not None:
        view.tables.insert(0, growth_table(children, before, asked, link))
    return view


def volumes(context: Context, used: list[Index]) -> View:
    """The volumes that have an index in which something may be seen. used: the opened indexes are added to it."""
    indexes, errors = open_each(context.config.tree.directory)
    used += indexes
    rows = []
    for index in indexes:
        total = index.total(index.top, Filter(gids=context.gids(index)))
        if total.records:
            to = address("/tree", volume=index.volume)
            rows.append({"volume": index.volume, "path": shown(index.top.path), "date": index.date, "address": to,
                         "bytes": total.bytes, "records": total.records})  # fmt: skip
    columns = (Column("volume", "Volume", link=lambda row: str(row["address"])), Column("path", "Path"),
               Column("date", "Date", "date"), Column("bytes", "Size", "bytes"),
               Column("records", "Records", "count"))  # fmt: skip
    empty = "No tree index yet. `lurge report` builds one of each volume."
    return View(
        "Tree",
        sentences=[error.message for error in errors] if context.person.sees_all else [],
        tables=[table_of("volumes", "Volumes", columns, rows, Order(size=1000), empty)],
        has_form=False,
    )


def narrowed(index: Index, allowed: Filter, asked: AskedTree) -> Filter:
    """The filter that is asked for, within the one that is allowed."""
    gids = allowed.gids
    if asked.group:
        chosen = numbers(index.manifest["groups"], asked.group)
        gids = chosen if gids is None else gids & chosen
    return Filter(
        gids=gids,
        uids=numbers(index.manifest["users"], asked.user) if asked.user else None,
        filetypes=frozenset([asked.filetype]) if asked.filetype else None,
        older_than=int(asked.older) if asked.older else None,
        by=asked.age,
    )


def numbers(known: dict[str, str], name: str) -> frozenset[int]:
    """The numbers of a name."""
    return frozenset(int(number) for number, one in known.items() if name in (one, number))


def names(index: Index, allowed: Filter) -> list[str]:
    """The names of the groups that may be seen."""
    groups = index.manifest["groups"]
    return sorted({name for gid, name in groups.items() if allowed.gids is None or int(gid) in allowed.gids})


def words(index: Index, total: Measures, asked: AskedTree) -> str:
    """Describe the content of a directory in a sentence."""
    size = "an unknown size" if total.bytes is None else human_size(total.bytes)
    filters = [f"{name} {value}" for name, value in (("group", asked.group), ("user", asked.user),
               ("filetype", asked.filetype)) if value]  # fmt: skip
    of = f" of {', '.join(filters)}" if filters else ""
    if asked.older:
        of += f", not {'read' if asked.age == 'atime' else 'changed'} for {asked.older} days"
    return f"{size} in {counted(total.records, 'record')}{of}, as of {index.date}."


def measures(total: Measures) -> list[Fact]:
    """The figures of a directory."""
    return [
        Fact("size", total.bytes, "bytes"),
        Fact("files", total.files, "count"),
        Fact("directories", total.directories, "count"),
        Fact("newest change", day_of(total.newest_mtime), "date"),
        Fact("oldest access", day_of(total.oldest_atime), "date"),
    ]


def day_of(seconds: int | None) -> date | None:
    """The date of a time; None if it is not known, or outside the calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (OverflowError, ValueError, OSError):
        return None


def crumbs(index: Index, place: Directory) -> list[tuple[str, str]]:
    """The directories above, from the volumes on."""
    top, path = index.top.path.rstrip(b"/"), place.path
    links = [("Tree", "/tree")]
    if path == index.top.path:
        return links
    links.append((shown(index.top.path), address("/tree", volume=index.volume)))
    above = top
    for component in path[len(top) + 1 :].split(b"/")[:-1]:
        above = above + b"/" + component
        links.append((shown(component), address("/tree", volume=index.volume, path=shown(above))))
    return links


def links_of(index: Index, asked: AskedTree) -> Callable[[bytes], str]:
    """The addresses of directories with the same filters."""
    given = asked.model_dump(exclude_defaults=True, exclude={"path", "page", "sort", "volume"})
    same = address("/tree", volume=index.volume, **given)
    # A treemap has hundreds of them.
    return lambda path: f"{same}&{urlencode({'path': shown(path)}, errors='backslashreplace')}"


def child_table(children: Children, total: Measures, asked: AskedTree, link: Callable[[bytes], str]) -> Table:
    """The directories in a directory."""
    order = asked.order
    rows: list[Row] = [
        {
            "name": name_of(child.path),
            "path": child.path,
            "bytes": sums.bytes,
            "share": fraction(sums.bytes or 0, total.bytes),
            "records": sums.records,
            "files": sums.files,
            "newest_change": day_of(sums.newest_mtime),
            "newest_access": day_of(sums.newest_atime),
        }
        for child, sums in children.at(in_order(children, asked)[order.start : order.start + order.size])
    ]
    columns = (
        Column("name", "Directory", link=lambda row: link(row["path"])),
        Column("bytes", "Size", "bytes"),
        Column("share", "Share", "share"), Column("records", "Records", "count"), Column("files", "Files", "count"),
        Column("newest_change", "Newest change", "date"), Column("newest_access", "Newest access", "date"),
    )  # fmt: skip
    empty = "No directory in it matches."
    return Table("children", "Directories", columns, rows, len(children), empty, order)


def in_order(children: Children, asked: AskedTree) -> Numbers:
    """The places of all children in the order that is asked for, else the largest first; unknown times come last."""
    places, order = children.by_largest(asked.area), asked.order
    if order.column == "name":
        names = [name_of(path).casefold() for path in children.paths]
        return np.array(sorted(places.tolist(), key=names.__getitem__, reverse=order.is_descending), np.int64)
    if order.column not in SORTED_BY:
        return places
    measure = SORTED_BY[order.column]
    values = children.sums.columns[measure][places]
    unknown = np.zeros(len(values), np.bool_)
    if measure in TIMES:
        unknown = children.sums.missing[measure][places] | (values < FIRST_SECOND) | (values > LAST_SECOND)
        values = values // DAY
    keys = np.where(unknown, LATEST, -values if order.is_descending else values)
    return places[np.argsort(keys, kind="stable")]


def name_of(path: bytes) -> str:
    return shown(path.rpartition(b"/")[2]) + "/"


def by_table(index: Index, place: Directory, wanted: Filter, by: By, title: str, total: Measures) -> Table:
    """The sums of a directory by one dimension."""
    known = index.manifest["groups" if by == "group" else "users"] if by in ("group", "user") else {}
    link = {"group": group_address, "user": user_address}.get(by)
    rows: list[Row] = [
        {
            "value": known.get(str(value), str(value)),
            "bytes": sums.bytes,
            "share": fraction(sums.bytes or 0, total.bytes),
            "records": sums.records,
        }
        for value, sums in index.by(place, wanted, by)
    ]
    columns = (
        Column("value", title, link=(lambda row: link(str(row["value"]))) if link else None),
        Column("bytes", "Size", "bytes"), Column("share", "Share", "share"), Column("records", "Records", "count"),
    )  # fmt: skip
    return first_rows(by, title, columns, rows, 10)


def kept_table(context: Context, index: Index, path: str) -> Table:
    """The files in vaults that were marked below a directory."""
    dates = context.dates("vault", [index.volume])
    kept = kept_below(context.connection, dates, context.scope, path)
    columns = (
        Column("state", "State", link=lambda row: address("/vault", state=row["state"], path=path + "/")),
        Column("files", "Files", "count"), Column("size", "Size", "bytes"),
    )  # fmt: skip
    rows = [{"state": state, "files": files, "size": size} for state, files, size in kept]
    return table_of("kept", "Kept by vaults", columns, rows, ALL, "No vault holds anything of this directory.")


def sizes_before(context: Context, index: Index, place: Directory, asked: AskedTree, used: list[Index]) -> Growth:
    """The bytes of each child at the earlier date, None without one. Raises PageError if there is no such index."""
    if asked.since is None:
        return None
    before = index_of(context.config.tree.directory, index.volume, asked.since)
    used.append(before)
    try:
        same = before.find(place.path)
    except TreeError:
        return {}
    # Numbers of groups and users may have had other names.
    wanted = narrowed(before, Filter(gids=context.gids(before)), asked)
    return sizes_of(before.child_sums(same, wanted, ("path",)))


def sizes_of(children: Children) -> dict[bytes, int]:
    """The bytes of each child by its path."""
    return dict(zip(children.paths, children.sums.columns["bytes"].tolist(), strict=True))


def growth_of(row: Row) -> int:
    return int(row["growth"])


def growth_table(
    children: Children, before: Mapping[bytes, int], asked: AskedTree, link: Callable[[bytes], str]
) -> Table:
    """The growth of each child since a date."""
    now = sizes_of(children)
    rows = [
        {
            "name": name_of(path),
            "path": path,
            "growth": now.get(path, 0) - before.get(path, 0),
            "bytes": now.get(path, 0),
        }
        for path in sorted(now.keys() | before.keys())
    ]
    rows.sort(key=growth_of, reverse=True)
    columns = (
        Column("name", "Directory",
               link=lambda row: link(row["path"]) if row["path"] in now else None),
        Column("growth", "Growth", "growth"), Column("bytes", "Size now", "bytes"),
    )  # fmt: skip
    empty = "Nothing is there, and nothing was."
    return first_rows("growth", f"Growth since {asked.since}", columns, rows, 20, empty)


PAGE = Page(
    "/tree", "tree", AskedTree, make, menu="Tree",
    form=("group", "user", "filetype", "older", "age", "area", "since", "at"),
)  # fmt: skip
