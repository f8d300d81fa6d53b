"""What became of a job and of each of its volumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from lurge.errors import LurgeError
from lurge.model.report import Counts, Sample
from lurge.model.split import GroupLines


class State(StrEnum):
    """What became of a volume."""

    STORED = "stored"
    READ = "read"
    KNOWN = "already stored"
    MISSING = "no dump"
    FAILED = "failed"


DONE = frozenset({State.STORED, State.READ, State.KNOWN})


@dataclass
class VolumeOutcome:
    """What became of one volume, and what was counted on the way.

    seconds: how long it was read. stages: seconds by stage, summed over all who took part, storing among them.
    split: the lines of its groups, where they were wanted; split_error: why there are none. warnings: what people
    should know of it.
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

    def as_json(self) -> dict[str, Any]:
        """What others may want to know of it."""
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
        }


@dataclass
class Outcome:
    """What became of the job.

    groups: the folder with the lines of each group, where they were wanted. write_seconds: how long it wrote tables.
    """

    volumes: list[VolumeOutcome]
    tsvs: list[Path] = field(default_factory=list)
    groups: Path | None = None
    error: LurgeError | None = None
    write_seconds: float = 0.0

    @property
    def failed(self) -> list[str]:
        """The volumes that failed, without those that have no dump."""
        return [volume.volume for volume in self.volumes if volume.state is State.FAILED]

    @property
    def exit_status(self) -> int:
        """0 everything is done; 3 some volumes failed or have no dump, or what came after failed; 1 nothing is done."""
        states = {volume.state for volume in self.volumes}
        if self.error and not self.groups and not states & {State.STORED, State.KNOWN}:
            return 1
        if not states & {State.MISSING, State.FAILED}:
            return 3 if self.error else 0
        return 3 if states & DONE else 1
