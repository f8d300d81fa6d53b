"""Applying files of events without a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lurge.config import Config
from lurge.errors import LedgerError
from lurge.model.event import Message, Place
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.outcome import FileOutcome, LedgerOutcome
from lurge.pipeline.ledger.reading import Reading, open_events
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.source.events.csv_lines import Line
from lurge.source.events.finding import find_files
from lurge.source.events.messages import json_of, parse_message
from lurge.store.database import Database
from lurge.store.ledger.batch import Counts, Rules, apply_messages
from lurge.store.ledger.files import FileProgress, Step, advance
from lurge.store.ledger.outbox import waiting
from lurge.store.ledger.retry import RetryPolicy

APPLY = Recipe("ledger_apply", ("apply", "retry"))
WAITING_AT_ONCE = 5000
LOCAL = Rules(RetryPolicy(retries=1, first=0), json_of)
"""Without a broker, an event that comes too early waits for the end of the run, whatever the pauses are."""

T = TypeVar("T")


def run_apply(config: Config, database: Database, places: Iterable[Path], stop: Stop) -> LedgerOutcome:
    """Apply the events of files, then those among them that came too early. Raises LurgeError."""
    totals = Counts()
    outcome = LedgerOutcome(counts=totals)
    with open_job(APPLY, ticket_of(config, APPLY)) as job:
        job.outcome = outcome
        job.state = lambda: "The next run goes on where this one stopped"
        try:
            with job.step("apply") as facts:
                need_tables(database, stop, database.retry_seconds)
                for path in list(find_files(places)):
                    outcome.files.append(apply_file(database, path, LOCAL, totals, stop))
                    stop.check()
                facts.update(outcome.facts)
            with job.step("retry"):
                retry_waiting(database, LOCAL, totals, stop)
        except Stopped:
            outcome.is_stopped = True
    return outcome


def apply_file(database: Database, path: Path, rules: Rules, totals: Counts, stop: Stop) -> FileOutcome:
    """Apply the events of a file, unless its content was applied."""
    outcome = FileOutcome(str(path))

    def insist(work: Callable[[], T]) -> T:
        return persist(database, work, stop, database.retry_seconds)

    def take(progress: FileProgress, lines: Sequence[Line], step: Step) -> None:
        messages = [Message(Place("", 0, 0, progress.key, line.number), line.event, line.input) for line in lines]

        def store() -> Counts:
            with database.writing() as connection:
                if not advance(connection, progress, step, ""):
                    return Counts()
                return apply_messages(connection, messages, rules) if messages else Counts()

        totals.add(insist(store))

    with outcome.noting_failures(), open_events(path) as file:
        if not Reading(path, file, database, take, insist).read(outcome, topic=None):
            raise LedgerError(f"{path} changed while it was read", "Apply it again.")
    return outcome


def retry_waiting(database: Database, rules: Rules, totals: Counts, stop: Stop) -> None:
    """Apply the events that came too early, in their order. One that still cannot be applied is an error.

    After them nothing comes that could raise an amount. Raises StoreError, Stopped.
    """
    last = replace(rules, policy=replace(rules.policy, retries=0))

    def some() -> tuple[int, Counts]:
        with database.writing() as connection:
            rows = waiting(connection, WAITING_AT_ONCE)
            messages = [
                Message(Place("", 0, 0), parse_message(row.value), row.value, row.attempt, row.token) for row in rows
            ]
            return len(messages), apply_messages(connection, messages, last) if messages else Counts()

    while True:
        count, counts = persist(database, some, stop, database.retry_seconds)
        totals.add(counts)
        if not count:
            return
