"""Outcomes of volumes, and of jobs that read volumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from lurge.errors import LurgeError
from lurge.model.report import Counts, Sample
from lurge.model.split import GroupLines
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.frame.ticket import JobTicket
from lurge.pipeline.works_outcome import TreeOutcome


class State(StrEnum):
    """The state of a volume after a job."""

    STORED = "stored"
    READ = "read"
    KNOWN = "already stored"
    MISSING = "no dump"
    FAILED = "failed"


DONE = frozenset({State.STORED, State.READ, State.KNOWN})


@dataclass
class VolumeOutcome:
    """The outcome of one volume, and the figures that were counted on the way.

    seconds: time for reading it. stages: seconds by stage, also of storing, summed over all ranks that took part.
    split: the lines of its groups, if they were asked for; split_error: the reason if there are none. warnings: for
    people who look after the site. tree: the folder of the tree index; tree_error: the reason if it could not be built.
    works: the outcomes of its trees of works; works_error: the first reason if some are not stored.
    """

    volume: str
    state: State
    record_date: date | None = None
    error: LurgeError | None = None
    counts: Counts | None = None
    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    split: list[GroupLines] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    split_error: LurgeError | None = None
    tree: Path | None = None
    tree_error: LurgeError | None = None
    works: list[TreeOutcome] = field(default_factory=list)
    works_error: LurgeError | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        counts = self.counts
        return {
            "volume": self.volume,
            "state": self.state.value,
            "record_date": self.record_date.isoformat() if self.record_date else None,
            "error": self.error.message if self.error else None,
            "advice": self.error.advice if self.error else None,
            "seconds": round(self.seconds, 3),
            "store_seconds": round(self.stages.get("store", 0.0), 3),
            "stages": {stage: round(seconds, 3) for stage, seconds in self.stages.items()},
            "counts": {**asdict(counts), "rejected": counts.rejected} if counts else None,
            "samples": [sample._asdict() for sample in self.samples],
            "warnings": self.warnings,
            "tree": str(self.tree) if self.tree else None,
            "works": [tree.as_json() for tree in self.works],
        }


@dataclass
class VolumesOutcome(Outcome):
    """The outcome of a job that reads dumps.

    groups: the folder with the lines of each group, if they were asked for. write_seconds: time for writing tables.
    """

    volumes: list[VolumeOutcome]
    tsvs: list[Path] = field(default_factory=list)
    groups: Path | None = None
    write_seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """The volumes that failed, without those that have no dump."""
        return [volume.volume for volume in self.volumes if volume.state is State.FAILED]

    @property
    def works_error(self) -> LurgeError | None:
        """The first reason why some works are not stored."""
        return next((volume.works_error for volume in self.volumes if volume.works_error), None)

    @property
    def exit_status(self) -> int:
        """0 if all is done; 3 if a volume or a later step failed, or a dump is missing; 1 if nothing is done."""
        states = {volume.state for volume in self.volumes}
        if self.error and not self.groups and not states & {State.STORED, State.KNOWN}:
            return 1
        if not states & {State.MISSING, State.FAILED}:
            return 3 if self.error else 0
        return 3 if states & DONE else 1

    def as_json(self) -> dict[str, Any]:
        """The outcome of every volume, and the places of all results. The database is that of the caller."""
        return {
            "volumes": [volume.as_json() for volume in self.volumes],
            "stages": {"write": round(self.write_seconds, 3)},
            "database": None,
            "tsvs": [str(path) for path in self.tsvs],
            "groups": str(self.groups) if self.groups else None,
            "error": self.error.message if self.error else None,
            "exit_status": self.exit_status,
        }

    def lines(self) -> Iterator[str]:
        """The folder of the groups' files, or the error."""
        if self.groups:
            yield f"Groups    {self.groups}"
        yield from super().lines()

    def advice(self) -> Iterator[str]:
        """Advice on each volume that failed, then on what failed after it."""
        for volume in self.volumes:
            if volume.error:
                yield f"{volume.volume}: -> {volume.error.advice}"
        yield from super().advice()


def note_volume(ticket: JobTicket, outcome: VolumeOutcome, dated: bool = False) -> None:
    """Put the outcome of a volume into a ticket. dated: one entry for each date, for a job that reads several."""
    facts = outcome.as_json()
    name = facts.pop("volume")
    ticket.note({"volumes": {f"{name} {outcome.record_date}" if dated else name: facts}})
    if outcome.error:
        ticket.append_error(f"{outcome.volume}: {outcome.error.message}")


def stored_so_far(done: Sequence[VolumeOutcome]) -> str:
    """The volumes that a run has stored, and how to go on."""
    stored = [f"{outcome.volume} ({outcome.record_date})" for outcome in done if outcome.state is State.STORED]
    return (
        f"Stored: {', '.join(stored) or 'nothing'}; every other volume is as it was before."
        " The same command reads what is not stored yet; after --force, name the volumes that are left"
    )
