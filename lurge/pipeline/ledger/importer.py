"""The importer: events of files to their topic, each line once."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lurge.config import Config
from lurge.errors import LedgerError, LurgeError
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.ledger.broker import Said, Sender, Unsent, is_passing, make_topics
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.outcome import FileOutcome, LedgerOutcome
from lurge.pipeline.ledger.reading import Identity, Reading, open_events, put_away
from lurge.pipeline.ledger.relay import relay_all, relay_sender
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.source.events.csv_lines import Line
from lurge.source.events.finding import Settling, find_files
from lurge.source.events.messages import file_headers, json_of, key_of
from lurge.store.database import Database
from lurge.store.ledger.files import FileProgress, Step, advance

IMPORT = Recipe("ledger_import", ("import",))
LOOK_SECONDS = 0.5
MOST_CHANGES = 3
PAUSE_AFTER_FAILURE = 300.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Importer:
    """The importer of a site, with its connections."""

    def __init__(self, config: Config, database: Database, stop: Stop) -> None:
        self.config, self.database, self.stop = config, database, stop
        # Lines are told apart by their order.
        self.sender = Sender(config.ledger, stop, in_order=True)
        self.relay_sender = relay_sender(config.ledger, stop)
        self._said = Said()

    def prepare(self) -> None:
        """Make tables and topics that are missing. Raises LurgeError, Stopped."""
        need_tables(self.database, self.stop)
        make_topics(self.config.ledger, self.stop)
        if threading.current_thread() is threading.main_thread():
            # The kernel sends it if a file is opened for writing in the moment in which we look for writers.
            signal.signal(signal.SIGIO, signal.SIG_IGN)

    def take(self, path: Path) -> FileOutcome:
        """Import a file, unless its content was imported. One that changes meanwhile is read again."""
        for _ in range(MOST_CHANGES):
            outcome = FileOutcome(str(path))
            with outcome.noting_failures():
                if not self._import(path, outcome):
                    log.warning("%s changed while it was read: reading it again", path)
                    continue
            return outcome
        with outcome.noting_failures():
            raise LedgerError(f"{path} changes while it is read", "Write it elsewhere, and rename it when it is whole.")
        return outcome

    def _import(self, path: Path, outcome: FileOutcome) -> bool:
        """Import a file; returns False if it changed meanwhile."""
        with open_events(path, follow=False) as file:
            reading = Reading(path, file, self.database, self._send, self._insist)
            if not reading.read(outcome, self.config.ledger.events_topic):
                return False
            self._insist(self.relay)
        put_away(path, reading.identity)
        return True

    def _insist(self, work: Callable[[], T]) -> T:
        """Do some work, and again while the database is away."""
        return persist(self.database, work, self.stop)

    def relay(self) -> None:
        """Send all messages of the outbox."""
        relay_all(self.database, self.relay_sender, self.config.ledger)

    def _send(self, progress: FileProgress, lines: Sequence[Line], step: Step) -> None:
        """Send the events of some lines, and store the step when the broker has all of them."""
        topic = self.config.ledger.events_topic
        while lines:
            try:
                for line in lines:
                    event = line.event
                    self.sender.put(topic, key_of(event), json_of(event), file_headers(progress.key, line.number))  # type: ignore[arg-type]  # `Reading` gives valid lines
                refused = self.sender.flush()
            except Unsent as error:
                # Whoever reads them knows which lines they have had.
                self._said.say("sending again: %s", error)
                self.stop.wait(LOOK_SECONDS)
                continue
            if not refused:
                break
            reason = refused[0][0]
            if not is_passing(reason):
                raise LedgerError(f"{topic}: {reason.str()}", "Look at [ledger], and at what the broker allows.")
            self._said.say("%s refused %d events, and gets them again: %s", topic, len(refused), reason.str())
            self.stop.wait(LOOK_SECONDS)

        def store() -> None:
            with self.database.writing() as connection:
                advance(connection, progress, step, self.config.ledger.errors_topic)

        self._insist(store)


def run_import(config: Config, database: Database, places: Iterable[Path], stop: Stop) -> LedgerOutcome:
    """Import files, each as soon as it is whole. Raises LurgeError."""
    outcome = LedgerOutcome()
    importer = Importer(config, database, stop)
    with open_job(IMPORT, ticket_of(config, IMPORT)) as job, job.step("import") as facts:
        job.outcome = outcome
        job.state = lambda: "The next run goes on where this one stopped"
        try:
            importer.prepare()
            for path in whole_ones(list(find_files(places)), Settling(config.ledger.settle_seconds), stop):
                outcome.files.append(importer.take(path))
                stop.check()
        except Stopped:
            outcome.is_stopped = True
        facts.update(outcome.facts)
    return outcome


def whole_ones(paths: list[Path], settling: Settling, stop: Stop) -> Iterator[Path]:
    """Yield files as they become whole. One that vanishes is left out. Raises Stopped."""
    left, said = paths, Said()
    while left:
        ready = whole_now(left, settling)
        yield from ready
        left = [path for path in left if path not in ready and os.path.lexists(path)]
        if left:
            stop.wait(LOOK_SECONDS)
            said.say("waiting until somebody has written %s", ", ".join(map(str, left[:3])))


def whole_now(paths: Iterable[Path], settling: Settling) -> list[Path]:
    """Return those files that are whole, and those that cannot be opened: importing them says why."""
    ready = []
    for path in paths:
        try:
            if settling.is_whole(path):
                ready.append(path)
        except FileNotFoundError:
            continue
        except OSError:
            ready.append(path)
    return ready


@dataclass
class Failures:
    """Files that failed, which are left alone for a while unless they change."""

    until: dict[tuple[Path, Identity], float] = field(default_factory=dict)

    def note(self, path: Path) -> None:
        """Note that a file failed."""
        with suppress(OSError):
            self.until[path, Identity.of(path.lstat())] = time.monotonic() + PAUSE_AFTER_FAILURE

    def without(self, paths: Iterable[Path]) -> Iterator[Path]:
        """Yield files that did not just fail as they are."""
        now = time.monotonic()
        self.until = {key: until for key, until in self.until.items() if until > now}
        for path in paths:
            with suppress(OSError):
                if (path, Identity.of(path.lstat())) not in self.until:
                    yield path


def watch(config: Config, database: Database, places: Sequence[Path], stop: Stop) -> None:
    """Import files as they come, until it is asked to stop. A ticket is made for each time that some are there."""
    importer = Importer(config, database, stop)
    settling = Settling(config.ledger.settle_seconds)
    failures = Failures()
    said = Said()
    try:
        importer.prepare()
        while True:
            found: list[Path] = []
            for place in places:
                try:
                    found += find_files([place])
                except LurgeError as error:
                    said.say("%s", error.message)
            settling.keep(found)
            ready = whole_now(failures.without(found), settling)
            if ready:
                import_some(config, importer, ready, failures)
            stop.wait(LOOK_SECONDS)
    except Stopped:
        log.info("stopped")


def import_some(config: Config, importer: Importer, paths: Sequence[Path], failures: Failures) -> None:
    """Import some files as one job."""
    outcome = LedgerOutcome()
    with open_job(IMPORT, ticket_of(config, IMPORT)) as job, job.step("import") as facts:
        job.outcome = outcome
        for path in paths:
            file = importer.take(path)
            outcome.files.append(file)
            if file.failed:
                failures.note(path)
            for line in file.lines():
                log.info("%s", line)
            if importer.stop.is_wanted:
                break
        facts["files"] = [file.as_json() for file in outcome.files]
    importer.stop.check()
