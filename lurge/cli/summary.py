"""What a person wants to see after a report, and the same as JSON."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lurge.export.tsv import human_size
from lurge.model.report import VAULT_KEY
from lurge.model.stored import DirectoryRow, GroupRow, NewestReports, SummaryRow
from lurge.pipeline.report import Outcome, State, VolumeOutcome
from lurge.store.database import Database
from lurge.store.newest import newest_reports

LARGEST = 8


def summary_text(database: Database, outcome: Outcome) -> str:
    """Per volume what was read and that it adds up, the largest groups and directories, where everything lies."""
    with database.reading() as connection:
        newest = newest_reports(connection, [volume.volume for volume in outcome.volumes])
        stored = {row.volume: row for row in newest.summaries}
        lines = [line for volume in outcome.volumes for line in volume_lines(volume, stored.get(volume.volume))]
        if all(volume.state is State.KNOWN for volume in outcome.volumes):
            lines.append("Everything is stored already; --force replaces it.")
        lines += ["", *largest_lines(newest)]
    lines += ["", f"Database  {database}"]
    lines += [f"{'TSVs' if i == 0 else '':10}{path}" for i, path in enumerate(outcome.tsvs)]
    return "\n".join(lines)


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
    if stored and volume.state in (State.STORED, State.KNOWN):
        both = stored.attributed_bytes + stored.unattributed_bytes
        lines = stored.records + stored.rejected
        yield (
            f"  adds up     {lines:,} lines = {stored.records:,} records + {stored.rejected:,} rejected;"
            f" {stored.records:,} records = {stored.attributed:,} attributed + {stored.unattributed:,} unattributed"
            f" + {stored.vanished:,} vanished"
        )
        yield (
            f"              {both:,} bytes of the users = {stored.attributed_bytes:,} of the groups"
            f" + {stored.unattributed_bytes:,} unattributed"
        )


def largest_lines(newest: NewestReports) -> Iterator[str]:
    """The largest groups and directories over all volumes."""

    def group_size(row: GroupRow) -> tuple[int, str, str]:
        return row.used, row.base, row.group

    def directory_size(row: DirectoryRow) -> tuple[int, str, str, str]:
        return row.size, row.base, row.path, row.group

    groups = heapq.nlargest(LARGEST, newest.groups, key=group_size)
    if groups:
        yield "Largest groups"
    for group in groups:
        yield f"  {human_size(group.used):>12}  {group.group:<16} {group.base}  ({group.last_modified} days)"
    directories = heapq.nlargest(LARGEST, newest.directories, key=directory_size)
    if directories:
        yield "Largest directories"
    for row in directories:
        place = f"{row.base.rstrip('/')}/{row.path}"
        yield f"  {human_size(row.size):>12}  {row.group:<16} {place}  ({row.files:,} files)"


def summary_json(database: Database, outcome: Outcome) -> str:
    """The outcome of every volume, and where everything lies."""
    volumes: list[dict[str, Any]] = []
    for volume in outcome.volumes:
        counts = volume.counts
        volumes.append(
            {
                "volume": volume.volume,
                "state": volume.state.value,
                "record_date": volume.record_date.isoformat() if volume.record_date else None,
                "error": volume.error.message if volume.error else None,
                "advice": volume.error.advice if volume.error else None,
                "seconds": round(volume.seconds, 3),
                "counts": {**asdict(counts), "rejected": counts.rejected} if counts else None,
                "samples": [sample._asdict() for sample in volume.samples],
            }
        )
    result = {
        "volumes": volumes,
        "database": str(database),
        "tsvs": [str(path) for path in outcome.tsvs],
        "exit_status": outcome.exit_status,
    }
    return json.dumps(result, indent=2)
