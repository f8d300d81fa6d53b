"""What a person wants to see after a report, and the same as JSON."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from lurge.export.tsv import MISSING, cell
from lurge.model.report import VAULT_KEY, Counts
from lurge.model.sizes import human_size
from lurge.model.stored import DirectoryRow, GroupRow, QuotaRow, SummaryRow
from lurge.pipeline.outcome import DONE, Outcome, State, VolumeOutcome
from lurge.store.database import Database
from lurge.store.usage.read.newest import largest_directories, newest_reports

LARGEST = 8


def summary_lines(database: Database, outcome: Outcome) -> list[str]:
    """Per volume what was read and that it adds up, the largest groups and directories, where everything lies."""
    with database.reading() as connection:
        names = list(dict.fromkeys(volume.volume for volume in outcome.volumes))
        newest = newest_reports(connection, names)
        stored = {row.volume: row for row in newest.summaries}
        lines = [line for volume in outcome.volumes for line in volume_lines(volume, stored.get(volume.volume))]
        if all(volume.state is State.KNOWN for volume in outcome.volumes):
            lines.append("Everything is stored already; --force replaces it.")
        directories = largest_directories(connection, newest.dates, LARGEST)
        lines += ["", *largest_lines(newest.groups, directories), *quota_lines(newest.quotas)]
    lines += ["", f"Database  {database}"]
    lines += [f"{'TSVs' if i == 0 else '':10}{path}" for i, path in enumerate(outcome.tsvs)]
    return [*lines, *ending_lines(outcome)]


def volume_lines(volume: VolumeOutcome, stored: SummaryRow | None) -> Iterator[str]:
    """What became of one volume, and what is stored of its newest date."""
    yield f"{volume.volume}  {volume.state.value}" + (f", {volume.record_date}" if volume.record_date else "")
    if volume.error:
        yield f"  {volume.error.message}"
        yield f"  -> {volume.error.advice}"
    counts = volume.counts
    if counts:
        rate = counts.lines / max(volume.seconds, 0.001)
        yield f"  read        {counts.records:,} records in {volume.seconds:.1f} s, {rate:,.0f} lines/s"
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.rejected_by_reason.items() if count)
        rejected = f"{counts.rejected:,} rejected lines" + (f" ({reasons})" if reasons else "")
        yield f"  left out    {rejected}, {counts.vanished:,} vanished"
        if counts.bad_vault_keys:
            yield f"              {counts.bad_vault_keys:,} vault keys that do not decode"
    for sample in volume.samples[:LARGEST]:
        what = sample.reason if sample.reason == VAULT_KEY else f"rejected ({sample.reason})"
        yield f"              line {sample.line}: {what}: {sample.text[:100]!r}"
    for warning in volume.warnings:
        yield f"  warning     {warning}"
    figures: Counts | SummaryRow | None = counts
    if volume.state is State.KNOWN and stored and volume.record_date == stored.record_date:
        figures = stored
    if figures and volume.state in DONE:
        yield from adding_up(figures)


def adding_up(figures: Counts | SummaryRow) -> Iterator[str]:
    """That a volume reconciles."""
    both = figures.attributed_bytes + figures.unattributed_bytes
    yield (
        f"  adds up     {figures.records + figures.rejected:,} lines = {figures.records:,} records"
        f" + {figures.rejected:,} rejected; {figures.records:,} records = {figures.attributed:,} attributed"
        f" + {figures.unattributed:,} unattributed + {figures.vanished:,} vanished"
    )
    yield (
        f"              {both:,} bytes of the users = {figures.attributed_bytes:,} of the groups"
        f" + {figures.unattributed_bytes:,} unattributed"
    )


def largest_lines(groups: Iterable[GroupRow], directories: Iterable[DirectoryRow]) -> Iterator[str]:
    """The largest groups and directories over all volumes; directories: the largest, sorted."""

    def size(row: GroupRow) -> tuple[int, str, str]:
        return row.used or 0, row.base, row.group or MISSING

    largest = heapq.nlargest(LARGEST, groups, key=size)
    if largest:
        yield "Largest groups"
    for group in largest:
        name = group.group or MISSING
        yield f"  {human_size(group.used or 0):>12}  {name:<16} {group.base}  ({cell(group.last_modified)} days)"
    for number, row in enumerate(directories):
        if number == 0:
            yield "Largest directories"
        place = f"{row.base.rstrip('/')}/{row.path}"
        yield f"  {human_size(row.size):>12}  {row.group or MISSING:<16} {place}  ({row.files:,} files)"


def quota_lines(rows: Iterable[QuotaRow]) -> Iterator[str]:
    """The groups that should worry about their quotas, the worst first."""
    worried = [row for row in rows if row.warning_id > 1]
    worried.sort(key=lambda row: (-row.warning_id, row.quota_reached or date.max, row.volume, row.group))
    if worried:
        yield f"Close to their quotas: {len(worried)} groups"
    for row in worried[:LARGEST]:
        reached = f", reached {row.quota_reached}" if row.quota_reached else ""
        yield (
            f"  {row.warning:<9} {row.group:<16} {row.volume}  {human_size(row.used)} of {human_size(row.quota or 0)};"
            f" in 3 days {human_size(row.in_3_days or 0)}, in 7 days {human_size(row.in_7_days or 0)}{reached}"
        )


def split_lines(outcome: Outcome) -> list[str]:
    """Per volume what was read, and where the lines of each group lie."""
    lines = [line for volume in outcome.volumes for line in volume_lines(volume, None)]
    return [*lines, *ending_lines(outcome)]


def ending_lines(outcome: Outcome) -> Iterator[str]:
    """Where the groups' files lie, or why they do not."""
    if outcome.groups:
        yield f"Groups    {outcome.groups}"
    if outcome.error:
        yield f"  {outcome.error.message}"
        yield f"  -> {outcome.error.advice}"


def outcome_json(outcome: Outcome, database: str | None = None) -> dict[str, Any]:
    """The outcome of every volume, and where everything lies."""
    return {
        "volumes": [volume.as_json() for volume in outcome.volumes],
        "stages": {"write": round(outcome.write_seconds, 3)},
        "database": database,
        "tsvs": [str(path) for path in outcome.tsvs],
        "groups": str(outcome.groups) if outcome.groups else None,
        "error": outcome.error.message if outcome.error else None,
        "exit_status": outcome.exit_status,
    }
