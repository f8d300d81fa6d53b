"""Sending events again that ended among the errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lurge.config import Config
from lurge.display import counted
from lurge.errors import LedgerError
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.ledger.apply import LOCAL, retry_waiting
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.outcome import LedgerOutcome, counts_as_json, in_words
from lurge.pipeline.ledger.relay import relay_all, relay_sender
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.store.database import Database
from lurge.store.ledger.batch import Counts
from lurge.store.ledger.read import ErrorFilter
from lurge.store.ledger.replay import replay

REPLAY = Recipe("ledger_replay", ("replay",))


@dataclass
class ReplayOutcome(LedgerOutcome):
    """The outcome of sending errors again. left: those that are not valid events."""

    sent: int = 0
    left: int = 0

    @property
    def exit_status(self) -> int:
        """0 if everything was sent, 3 if some errors are left, or came again."""
        return 3 if self.left or self.is_stopped or (self.counts and self.counts.errors) else 0

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        counts = {} if self.counts is None else counts_as_json(self.counts)
        return {"sent": self.sent, "left": self.left, **counts, "exit_status": self.exit_status}

    def lines(self) -> Iterator[str]:
        """The outcome for people."""
        yield f"{counted(self.sent, 'event')} sent again"
        if self.left:
            yield f"{counted(self.left, 'error')} left: they are not valid events"
        if self.counts is not None:
            yield in_words(self.counts)


def run_replay(config: Config, database: Database, wanted: ErrorFilter, stop: Stop) -> ReplayOutcome:
    """Send errors again, or apply them at once if there is no broker. Raises LurgeError."""
    outcome = ReplayOutcome()
    ledger = config.ledger
    with open_job(REPLAY, ticket_of(config, REPLAY)) as job, job.step("replay") as facts:
        job.outcome = outcome

        def put() -> tuple[int, int]:
            with database.writing() as connection:
                return replay(connection, wanted, ledger.events_topic if ledger.broker else "")

        try:
            need_tables(database, stop, database.retry_seconds)
            outcome.sent, outcome.left = persist(database, put, stop, database.retry_seconds)
            if ledger.broker:
                sender = relay_sender(ledger, stop)
                persist(database, lambda: relay_all(database, sender, ledger), stop)
            else:
                outcome.counts = Counts()
                # Also those that a page, or a run that died, left here.
                retry_waiting(database, LOCAL, outcome.counts, stop)
            if not outcome.sent and not outcome.left and outcome.counts in (None, Counts()):
                raise LedgerError("no error is like that, or it was sent again", "See `lurge ledger errors`.")
        except Stopped:
            outcome.is_stopped = True
        facts.update(sent=outcome.sent, left=outcome.left)
    return outcome
