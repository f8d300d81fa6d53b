"""The outcome of each volume, and its figures, which add up."""

from __future__ import annotations

from collections.abc import Iterator

from lurge.cli.table import rows_aligned
from lurge.display import counted
from lurge.model.report import VAULT_KEY, Counts
from lurge.model.stored import SummaryRow
from lurge.pipeline.volumes import DONE, State, VolumeOutcome, VolumesOutcome

SAMPLES = 8


def volume_lines(volume: VolumeOutcome, stored: SummaryRow | None) -> Iterator[str]:
    """The outcome of one volume, with the stored figures if it was not read."""
    yield f"{volume.volume}  {volume.state.value}" + (f", {volume.record_date}" if volume.record_date else "")
    if volume.error:
        yield f"  {volume.error.message}"
        yield f"  -> {volume.error.advice}"
    counts = volume.counts
    if counts:
        rate = counts.lines / max(volume.seconds, 0.001)
        yield f"  {counted(counts.records, 'record')} in {volume.seconds:.1f} s, {rate:,.0f} lines/s"
        if counts.bad_vault_keys:
            yield f"  {counted(counts.bad_vault_keys, 'vault key')} not decoded"
    for sample in volume.samples[:SAMPLES]:
        reason = sample.reason if sample.reason == VAULT_KEY else f"rejected ({sample.reason})"
        yield f"  line {sample.line}: {reason}: {sample.text[:100]!r}"
    for warning in volume.warnings:
        yield f"  warning: {warning}"
    figures: Counts | SummaryRow | None = counts
    if volume.state is State.KNOWN and stored and volume.record_date == stored.record_date:
        figures = stored
    if figures and volume.state in DONE:
        yield from adding_up(figures)


def adding_up(figures: Counts | SummaryRow) -> Iterator[str]:
    """The reconciliation of a volume: its lines and records, and their bytes."""
    reasons = figures.rejected_by_reason if isinstance(figures, Counts) else {}
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    both = figures.attributed_bytes + figures.unattributed_bytes
    yield "  adds up:"
    yield from rows_aligned(
        [
            ("", f"{figures.attributed:,}", "", f"{figures.attributed_bytes:,} B", "in base directories"),
            ("+", f"{figures.unattributed:,}", "+", f"{figures.unattributed_bytes:,} B", "unattributed"),
            ("+", f"{figures.vanished:,}", "", "", "vanished"),
            ("=", f"{figures.records:,}", "=", f"{both:,} B", "records, of all users"),
            ("+", f"{figures.rejected:,}", "", "", "rejected" + (f" ({why})" if why else "")),
            ("=", f"{figures.records + figures.rejected:,}", "", "", "lines"),
        ]
    )


def split_lines(outcome: VolumesOutcome) -> list[str]:
    """The outcome of each volume, and the folder with the lines of each group."""
    lines = [line for volume in outcome.volumes for line in volume_lines(volume, None)]
    return [*lines, *outcome.lines()]


def tree_lines(outcome: VolumesOutcome) -> list[str]:
    """The outcome of each volume, and the folder of its index."""
    lines: list[str] = []
    for volume in outcome.volumes:
        lines += volume_lines(volume, None)
        if volume.tree:
            lines.append(f"  index {volume.tree}")
    return lines
