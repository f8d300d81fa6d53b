"""Outcomes of importing and applying files."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lurge.display import counted, display
from lurge.errors import LurgeError, OutputError
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.ledger.stopping import Stopped
from lurge.store.ledger.batch import Counts

SAMPLES = 10

log = logging.getLogger(__name__)


@dataclass
class FileOutcome:
    """The outcome of one file. sent: valid events of this run. samples: reasons of some rejected lines."""

    name: str
    sent: int = 0
    rejected: int = 0
    samples: list[str] = field(default_factory=list)
    is_known: bool = False
    is_stopped: bool = False
    failed: LurgeError | None = None

    def reject(self, number: int, reasons: tuple[str, ...]) -> None:
        """Count a line that is not valid."""
        self.rejected += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(f"line {number}: {'; '.join(reasons)}")

    @contextmanager
    def noting_failures(self) -> Iterator[None]:
        """Note an error, or the wish to stop, that ends the block."""
        try:
            yield
        except LurgeError as error:
            self.failed = error
            log.error("%s", error.message)
        except OSError as error:
            self.failed = OutputError.at(self.name, error)
            log.error("%s: %s", self.name, error)
        except Stopped:
            self.is_stopped = True

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        return {
            "name": self.name, "events": self.sent, "rejected": self.rejected, "samples": self.samples,
            "known": self.is_known, "stopped": self.is_stopped, "error": self.failed.message if self.failed else None,
        }  # fmt: skip

    def lines(self) -> Iterator[str]:
        """The outcome for people."""
        if self.failed:
            yield f"{display(self.name)}: {display(self.failed.message)}"
            yield f"  -> {display(self.failed.advice)}"
            return
        known = ", known before" if self.is_known else ", not to its end" if self.is_stopped else ""
        rejected = f", {counted(self.rejected, 'line')} rejected" if self.rejected else ""
        yield f"{display(self.name)}: {counted(self.sent, 'event')}{rejected}{known}"
        yield from (f"  {display(sample)}" for sample in self.samples)
        if self.rejected > len(self.samples):
            yield f"  and {self.rejected - len(self.samples):,} more"


@dataclass
class LedgerOutcome(Outcome):
    """The outcome of a run. counts: None for an import, which applies nothing. is_stopped: a signal ended it."""

    files: list[FileOutcome] = field(default_factory=list)
    counts: Counts | None = None
    is_stopped: bool = False

    @property
    def exit_status(self) -> int:
        """0 if everything is done, 3 if some of it is rejected, failed or left, 1 if all files failed."""
        failed = [file for file in self.files if file.failed]
        if failed and len(failed) == len(self.files):
            return 1
        has_errors = any(file.rejected for file in self.files) or (self.counts and self.counts.errors)
        return 3 if failed or has_errors or self.is_stopped else 0

    @property
    def facts(self) -> dict[str, Any]:
        """The files, for a ticket."""
        failed = [file.name for file in self.files if file.failed]
        return {"files": [file.as_json() for file in self.files], **({"failed": failed} if failed else {})}

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        counts = {} if self.counts is None else counts_as_json(self.counts)
        files = [file.as_json() for file in self.files]
        return {"files": files, **counts, "stopped": self.is_stopped, "exit_status": self.exit_status}

    def lines(self) -> Iterator[str]:
        """The outcome for people."""
        if self.is_stopped:
            yield "stopped; the next run goes on where this one stopped"
        elif not self.files:
            yield "no .csv file is there"
        for file in self.files:
            yield from file.lines()
        if self.counts is not None:
            yield in_words(self.counts)


def counts_as_json(counts: Counts) -> dict[str, int]:
    """Counts for other programs."""
    return {"applied": counts.applied, "duplicates": counts.duplicates, "retried": counts.retried,
            "errors": counts.errors}  # fmt: skip


def in_words(counts: Counts) -> str:
    """Counts for people."""
    return (
        f"{counted(counts.applied, 'event')} applied, {counted(counts.duplicates, 'duplicate')},"
        f" {counts.retried:,} retried, {counted(counts.errors, 'error')}"
    )
