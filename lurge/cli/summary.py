"""The summary of a report: answers first, then the figures of each volume, which add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lurge.cli.overview import forecast_text, overview_json, quota_text, where_and_when, worried
from lurge.cli.reconciliation import volume_lines
from lurge.cli.table import or_missing, rows_aligned, share
from lurge.display import counted
from lurge.model.overview import GroupTotal
from lurge.model.sizes import aligned_size, human_size
from lurge.model.stored import DirectoryRow
from lurge.pipeline.volumes import DONE, State, VolumesOutcome
from lurge.store.database import Database
from lurge.store.usage.read.newest import largest_directories, summary_rows
from lurge.store.usage.read.overview import Overview, read_overview

if TYPE_CHECKING:
    import sqlalchemy as sa

LARGEST = 5
DAYS_OF_CHANGE = ("today", "1 day ago")


def summary_lines(database: Database, outcome: VolumesOutcome) -> list[str]:
    """The use by group, person, filetype and age, and quotas; then the outcome of each volume."""
    with database.reading() as connection:
        overview = read_overview(connection, names_of(outcome))
        stored = {row.volume: row for row in summary_rows(connection, overview.dates)}
        lines = [*undone_lines(outcome), *answers(connection, overview)] if overview.dates else []
    for volume in outcome.volumes:
        lines += volume_lines(volume, stored.get(volume.volume))
    if all(volume.state is State.KNOWN for volume in outcome.volumes):
        lines.append("Everything is stored already; --force replaces it.")
    lines += ["", f"Database  {database}"]
    lines += [f"{'TSVs' if i == 0 else '':10}{path}" for i, path in enumerate(outcome.tsvs)]
    return [*lines, *outcome.lines()]


def names_of(outcome: VolumesOutcome) -> list[str]:
    return list(dict.fromkeys(volume.volume for volume in outcome.volumes))


def undone_lines(outcome: VolumesOutcome) -> Iterator[str]:
    """The volumes whose figures are old or missing."""
    undone = {volume.volume: volume.state.value for volume in outcome.volumes if volume.state not in DONE}
    if undone:
        yield "NOT UP TO DATE, see below: " + ", ".join(f"{name} ({state})" for name, state in undone.items())
        yield ""


def answers(connection: sa.Connection, overview: Overview) -> Iterator[str]:
    """The tables over all volumes."""
    total = overview.used + overview.unattributed
    yield f"{human_size(total)} on {where_and_when(dict(overview.dates))}"
    yield ""
    yield from heading("Groups", len(overview.groups), "lurge show groups")
    yield from group_rows(overview, total)
    yield from heading("People", len(overview.people), "lurge show users")
    yield from people_rows(overview)
    if overview.filetypes:
        yield from heading("Filetypes", len(overview.filetypes), "lurge show types")
        yield from rows_aligned(
            [
                (aligned_size(kind.size), share(kind.size, overview.in_files), kind.name)
                for kind in overview.filetypes[:LARGEST]
            ]
        )
    if overview.ages:
        yield "Age of files, by the last change in their directory"
        yield from rows_aligned(
            [(aligned_size(age.size), share(age.size, overview.in_files), age.name) for age in overview.ages]
        )
    yield from directory_rows(largest_directories(connection, overview.dates, LARGEST), overview.in_files)
    yield from quota_lines(overview.groups)
    yield ""


def heading(name: str, total: int, command: str) -> Iterator[str]:
    """The heading of a table, with the command that shows all of it if it is cut."""
    yield f"{name}: {LARGEST} of {total:,}, more by `{command}`" if total > LARGEST else name


def group_rows(overview: Overview, total: int) -> Iterator[str]:
    rows = [
        (aligned_size(group.used), share(group.used, total), or_missing(group.group), group.pi or "", changed(group))
        for group in overview.groups[:LARGEST]
        if group.used
    ]
    if overview.unattributed:
        outside = share(overview.unattributed, total)
        rows.append((aligned_size(overview.unattributed), outside, "unattributed", "", ""))
    yield from rows_aligned(rows, texts=3)


def changed(group: GroupTotal) -> str:
    """The time since a group last changed anything."""
    days = group.last_modified
    if days is None:
        return ""
    return DAYS_OF_CHANGE[days] if 0 <= days < len(DAYS_OF_CHANGE) else f"{counted(days, 'day')} ago"


def people_rows(overview: Overview) -> Iterator[str]:
    total = sum(person.size for person in overview.people)
    yield from rows_aligned(
        [
            (
                aligned_size(person.size),
                share(person.size, total),
                or_missing(person.user),
                "" if person.files is None else counted(person.files, "file"),
            )
            for person in overview.people[:LARGEST]
        ],
        texts=2,
    )


def directory_rows(directories: Sequence[DirectoryRow], total: int) -> Iterator[str]:
    if directories:
        yield "Largest directories"
    yield from rows_aligned(
        [
            (
                aligned_size(row.size),
                share(row.size, total),
                or_missing(row.group),
                f"{row.base.rstrip('/')}/{row.path}".removesuffix("/."),
            )
            for row in directories
        ],
        texts=2,
    )


def quota_lines(groups: Iterable[GroupTotal]) -> Iterator[str]:
    """Groups that are over quota or close to it, the worst first."""
    pairs = worried(list(groups))
    over = sum(use.is_over for _, use in pairs)
    if not pairs:
        return
    said = [f"{over:,} over"] if over else []
    said += [f"{len(pairs) - over:,} close"] if len(pairs) > over else []
    yield f"Quotas: {', '.join(said)}"
    for group, use in pairs[:LARGEST]:
        yield f"  {'OVER ' if use.is_over else ''}{or_missing(group.group)} on {use.volume}: {quota_text(use)}"
        if expected := forecast_text(use):
            yield f"      {expected}"
    if len(pairs) > LARGEST:
        yield f"  {len(pairs) - LARGEST:,} more: see the quota report"


def stored_json(database: Database, outcome: VolumesOutcome) -> dict[str, Any]:
    """The stored figures of the outcome's volumes at their newest dates."""
    with database.reading() as connection:
        return overview_json(read_overview(connection, names_of(outcome)))
