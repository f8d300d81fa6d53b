"""`lurge show`: the stored reports, for people who do not write SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, say, say_json, set_verbosity

if TYPE_CHECKING:
    import sqlalchemy as sa

    from lurge.store.usage.read.history import DatedUse
    from lurge.store.usage.read.overview import Overview

show = typer.Typer(
    help="Show groups, people, filetypes or history, as stored.",
    no_args_is_help=True,
    epilog="Example: lurge show groups --limit 10",
)

ROWS = 20
T = TypeVar("T")

GroupArgument = Annotated[str | None, typer.Argument(metavar="GROUP", help="Only data of this group.")]
VolumeOption = Annotated[
    list[str] | None,
    typer.Option("--volume", metavar="NAME", help="Only this volume; may be repeated (default: all configured)."),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help=f"At most N rows (default: {ROWS}; with --json all)."),
]


def groups(
    group: GroupArgument = None,
    volume: VolumeOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the use of each group, the largest first.

    Each volume counts at its newest date. Size is the size of the group's base directories; share is a share of all
    bytes. Quota is the used part of the quota, on the volume where it is largest. Days are those since the last change.
    With a GROUP, its volumes and base directories are shown.

    Example: lurge show groups --volume scratch101 --limit 10
    """
    from lurge.cli.overview import base_table, group_table, groups_json
    from lurge.model.sizes import human_size

    overview = read_newest(config, volume, group)
    if json:
        say_json(groups_json(overview.groups[:limit]))
        return
    say(f"{human_size(overview.used)} in base directories: {about(overview)}")
    if group is None:
        say(*group_table(overview, limit or ROWS))
    for total in overview.groups if group is not None else ():
        say(*base_table(total))


def users(
    group: GroupArgument = None,
    volume: VolumeOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the use of each person, the largest first.

    Each volume counts at its newest date, with all entries that a person owns, inside and outside base directories.

    Example: lurge show users --limit 10
    """
    from lurge.cli.overview import people_json, people_table
    from lurge.model.sizes import human_size

    overview = read_newest(config, volume, group)
    if json:
        say_json(people_json(overview.people[:limit]))
        return
    say(f"{human_size(sum(person.size for person in overview.people))}: {about(overview)}")
    say(*people_table(overview.people, limit or ROWS))


def types(
    group: GroupArgument = None,
    volume: VolumeOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the filetypes and ages of files.

    Only files in base directories count. A file counts in each filetype that it matches. The age is that of its
    directory: the days from the newest change of a file in it to the volume's newest date. A month has 30 days, a year
    365.

    Example: lurge show types
    """
    from lurge.cli.overview import kind_table
    from lurge.model.sizes import human_size

    overview = read_newest(config, volume, group)
    if json:
        kinds = {"filetypes": overview.filetypes[:limit], "ages": overview.ages}
        say_json({name: [kind._asdict() for kind in rows] for name, rows in kinds.items()})
        return
    say(f"{human_size(overview.in_files)} in files in base directories: {about(overview)}")
    say(*kind_table("filetype", overview.filetypes, overview.in_files, limit or ROWS))
    say("", *kind_table("last change", overview.ages, overview.in_files))


def history(
    group: GroupArgument = None,
    volume: VolumeOption = None,
    limit: LimitOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the use of each volume at each stored date.

    Size is the size of base directories; change is the difference from the previous date of the volume. With a limit,
    the newest rows are shown.

    Example: lurge show history --volume scratch101 --limit 30
    """
    from lurge.store.usage.read.history import history as read_history

    uses = read_with_names(config, volume, group, read_history)
    shown = uses[-limit:] if limit else uses if json else uses[-ROWS:]
    if json:
        say_json([use._asdict() for use in shown])
        return
    say(*history_table(uses, len(shown)))


def history_table(uses: list[DatedUse], limit: int) -> Iterable[str]:
    """The last rows of a history, each with the difference from the previous date."""
    from lurge.cli.overview import more_lines
    from lurge.cli.table import or_missing, table_lines
    from lurge.model.sizes import aligned_size, human_size

    before: dict[str, int] = {}
    rows = []
    for use in uses:
        change = aligned_size(use.used - before[use.volume], signed=True) if use.volume in before else or_missing(None)
        quota = human_size(use.quota) if use.quota else or_missing(None)
        before[use.volume] = use.used
        rows.append((str(use.record_date), aligned_size(use.used), f"{use.used:,}", change, quota, use.volume))
    yield from table_lines(("date", "size", "bytes", "change", "quota", "volume"), rows[-limit:])
    yield from more_lines(len(rows), limit)


def about(overview: Overview) -> str:
    """The volumes and dates of an overview."""
    from lurge.cli.overview import where_and_when

    return where_and_when(dict(overview.dates)) if overview.dates else "nothing is stored of these volumes"


def read_newest(config: Path | None, volumes: list[str] | None, group: str | None) -> Overview:
    """The overview of some volumes (default: those of the configuration) at their newest dates."""
    from lurge.store.usage.read.overview import read_overview

    return read_with_names(config, volumes, group, read_overview)


def read_with_names(
    config_file: Path | None,
    volumes: list[str] | None,
    group: str | None,
    read: Callable[[sa.Connection, list[str], int | None], T],
) -> T:
    """The result of `read` for a connection, the names of volumes and the key of a group."""
    set_verbosity(quiet=True, verbose=False)
    from lurge.config import load_config
    from lurge.store.usage.read.reading import group_key, read_stored, stored_volumes

    config = load_config(config_file)

    def look(connection: Any) -> T:
        names = stored_volumes(connection, volumes or (), [volume.name for volume in config.dumps.volumes])
        return read(connection, names, group_key(connection, group) if group is not None else None)

    return read_stored(config.database, look)


add(show, groups)
add(show, users)
add(show, types)
add(show, history)
