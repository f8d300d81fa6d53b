"""`lurge tree`: every directory, from the tree index."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lurge.cli.answer import Answer, csv_of
from lurge.cli.options import ConfigOption, JsonOption, put, say, say_json
from lurge.cli.table import or_missing, rows_aligned, share
from lurge.cli.tree_json import Dimension, amount, largest, measures_json, named, time_text, tree_json
from lurge.config import load_config
from lurge.errors import TreeError, UsageError
from lurge.model.paths import shown
from lurge.model.sizes import human_size
from lurge.model.tree import AGE_DAYS

if TYPE_CHECKING:
    from lurge.store.tree.directory import Directory
    from lurge.store.tree.read import Index
    from lurge.store.tree.sums import Measures
    from lurge.store.tree.usage import Filter

log = logging.getLogger(__name__)

ROWS = 20
BAR = 20
COLD_DAYS = 730
NARROW = 60
UNITS = {"d": 1, "w": 7, "m": 30, "mo": 30, "y": 365}
DATE = "%Y-%m-%d"


def parse_age(text: str) -> int:
    """Days from an age such as `730`, `730d`, `6m` or `2y`. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,6})(d|w|mo|m|y)?", text.strip().lower())
    days = int(match[1]) * UNITS[match[2] or "d"] if match else -1
    if days not in AGE_DAYS:
        known = ", ".join(f"{days}d" for days in AGE_DAYS)
        raise UsageError(f"--older {text}: the index has no such boundary", f"Give one of {known}; 2y is 730d.")
    return days


def tree(
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="A directory (default: the volumes).", show_default=False)
    ] = None,
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=1, max=100, help="Levels below PATH to show.")] = 1,
    by: Annotated[
        Dimension | None,
        typer.Option("--by", metavar="DIMENSION", help="Divide by group, user, filetype, age or size."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="G", help="Only this group, by name or number; may be repeated."),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option("--user", metavar="U", help="Only this user, by name or number; may be repeated."),
    ] = None,
    filetype: Annotated[
        list[str] | None, typer.Option("--filetype", metavar="T", help="Only this filetype; may be repeated.")
    ] = None,
    older: Annotated[
        str | None,
        typer.Option("--older", metavar="AGE", help="Only what was not modified for AGE, such as 2y or 180d."),
    ] = None,
    accessed: Annotated[bool, typer.Option("--accessed", help="Ages are those of the last access.")] = False,
    cold: Annotated[
        bool, typer.Option("--cold", help="Only what was not read for two years: --older 2y --accessed.")
    ] = False,
    small: Annotated[bool, typer.Option("--small", help="Only files of at most 64 KiB, counted.")] = False,
    ownerless: Annotated[
        bool, typer.Option("--ownerless", help="Only what belongs to a user or group without a name.")
    ] = False,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="N", min=1, help=f"At most N directories (default: {ROWS}; with --json all)."),
    ] = None,
    date: Annotated[
        datetime | None, typer.Option("--date", metavar="D", formats=[DATE], help="The index of this date.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", metavar="D", formats=[DATE], help="Show growth since this date.")
    ] = None,
    json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the directories as CSV.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show any directory: its content, owners, types and ages.

    Sizes are inclusive; hard links share theirs. The index is built by each report.

    Example: lurge tree /lustre/scratch101 --by user --older 2y
    """
    from lurge.store.tree.read import as_path, numbers_of, open_directory
    from lurge.store.tree.usage import Filter

    if json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    if cold and older:
        raise UsageError("--cold and --older exclude each other")
    older_than = COLD_DAYS if cold else parse_age(older) if older else None
    directory = load_config(config, optional=True).tree.directory
    day = date.date() if date else None
    if path is None:
        show_volumes(directory, day, json, as_csv)
        return
    index, place = open_directory(directory, as_path(path), day)
    wanted = Filter(
        gids=numbers_of(group, index.manifest["groups"], "group"),
        uids=numbers_of(user, index.manifest["users"], "user"),
        filetypes=frozenset(filetype) if filetype else None,
        older_than=older_than,
        by="atime" if accessed or cold else "mtime",
        ownerless=index.ownerless if ownerless else None,
        small=small,
    )
    filters: dict[str, Any] = {"groups": group or [], "users": user or [], "filetypes": filetype or []}
    filters |= {"older_than": older_than, "by": wanted.by, "ownerless": ownerless, "small": small}
    if since:
        from lurge.cli.tree_growth import growth_answer, growth_json, growth_lines, growth_of

        growth = growth_of(index, place, wanted, since.date())
        if json:
            known = tree_json(index, place, wanted, filters, by, 0, top)
            say_json(growth_json(growth, known, top))
        elif as_csv:
            put(csv_of(growth_answer(growth, top)))
        else:
            say(*growth_lines(index, place, growth, top))
    elif json:
        say_json(tree_json(index, place, wanted, filters, by, depth, top))
    elif as_csv:
        put(csv_of(tree_answer(index, place, wanted, depth, top)))
    else:
        say(*tree_lines(index, place, wanted, by, depth, top or ROWS))


def show_volumes(directory: Path, day: date | None, as_json: bool, as_csv: bool) -> None:
    """Print the volumes that have an index, or one of a date."""
    from lurge.store.tree.read import open_each

    indexes, errors = open_each(directory, day)
    if errors and not indexes:
        raise errors[0]
    for error in errors:
        log.warning("%s. %s", error.message, error.advice)
    if as_json:
        say_json({"volumes": [
            {"volume": index.volume, "date": index.date.isoformat(), "path": shown(index.top.path),
             "total": measures_json(index.top.measures)}
            for index in indexes
        ]})  # fmt: skip
        return
    if not indexes:
        raise TreeError(f"no tree index in {directory}", "`lurge report` builds one each night.")
    if as_csv:
        rows = [
            [index.volume, index.date, shown(index.top.path), *measures_json(index.top.measures).values()]
            for index in indexes
        ]
        put(csv_of(Answer(["volume", "date", "path", *asdict(indexes[0].top.measures)], rows)))
        return
    lines = [
        (
            human_size(index.top.measures.bytes or 0),
            f"{index.top.measures.records:,}",
            str(index.date),
            shown(index.top.path),
        )
        for index in indexes
    ]
    say(*rows_aligned([("size", "records", "date", "path"), *lines], 1))


def walk(
    index: Index, place: Directory, wanted: Filter, depth: int, top: int | None, level: int = 0
) -> Iterator[tuple[int, Directory, Measures]]:
    """The directories below a directory, each followed by those in it."""
    for child, sums in largest(index, place, wanted)[:top]:
        yield level, child, sums
        if depth > 1:
            yield from walk(index, child, wanted, depth - 1, top, level + 1)


def tree_answer(index: Index, place: Directory, wanted: Filter, depth: int, top: int | None) -> Answer:
    """The directories as rows, the first of which is the one that was asked for."""
    first = index.total(place, wanted)
    rows = [(0, place, first), *walk(index, place, wanted, depth, top)]
    return Answer(
        ["path", *asdict(first)],
        [[shown(directory.path), *measures_json(sums).values()] for _, directory, sums in rows],
    )


def tree_lines(
    index: Index, place: Directory, wanted: Filter, by: Dimension | None, depth: int, top: int
) -> Iterator[str]:
    """A directory for people: bars on a terminal, plain in a pipe."""
    total = index.total(place, wanted)
    here = index.total(place, wanted, own=True)
    whole = amount(total)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    yield f"{shown(place.path)}  {index.volume}, {index.date}"
    children = list(walk(index, place, wanted, depth, top))
    rows = [row_of("total", total, whole, width)]
    if here.records:
        rows.append(row_of("directly here", here, whole, width))
    for level, child, sums in children:
        name = shown(child.path.rpartition(b"/")[2]) + "/"
        rows.append(row_of("  " * level + name, sums, whole, width))
    bar = ("",) if width >= NARROW else ()
    yield from rows_aligned([("size", "share", *bar, "records", "modified", "name"), *rows], 1)
    is_cut = sum(level == 0 for level, _, _ in children) == top
    hidden = len(index.child_sums(place, wanted)) - top if is_cut else 0
    if hidden:
        yield f"  and {hidden} more (--top)"
    if by:
        yield f"by {by.value}"
        # Of sizes, files are known, and not their bytes.
        of_all = whole if by is not Dimension.SIZE else total.records if wanted.small else total.files
        divided = []
        for value, sums in index.by(place, wanted, by.value)[:top]:
            divided.append(row_of(named(index, by, value).get("name", str(value)), sums, of_all, width))
        yield from rows_aligned([("size", "share", *bar, "records", "modified", by.value), *divided], 1)


def row_of(name: str, sums: Measures, whole: int, width: int) -> tuple[str, ...]:
    """A row of a table; with a bar if the terminal is wide enough."""
    size = or_missing(None) if sums.bytes is None else human_size(sums.bytes)
    part = share(amount(sums), whole)
    filled = round(BAR * amount(sums) / whole) if whole else 0
    bar = ("█" * filled + "·" * (BAR - filled),) if width >= NARROW else ()
    newest = time_text(sums.newest_mtime)
    return size, part, *bar, f"{sums.records:,}", newest[:10] if newest else or_missing(None), name
