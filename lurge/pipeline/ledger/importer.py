"""The importer: events of files to their topic, each line once."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lurge.config import Config
from lurge.display import display
from lurge.errors import LedgerError, LurgeError, OutputError
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.ledger.broker import Said, Sender, Unsent, make_topics
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.outcome import FileOutcome, LedgerOutcome
from lurge.pipeline.ledger.reading import FileChanged, Reading, open_events, put_away
from lurge.pipeline.ledger.relay import relay_all
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.source.events.csv_lines import Line
from lurge.source.events.finding import Settling, find_files
from lurge.source.events.messages import file_headers, json_of, key_of
from lurge.store.database import Database
from lurge.store.ledger.files import FileProgress, Step, advance, begin, give_up

IMPORT = Recipe("ledger_import", ("import",))
LOOK_SECONDS = 0.5
MOST_CHANGES = 3

log = logging.getLogger(__name__)


class Importer:
    """The importer of a site, with its connections."""

    def __init__(self, config: Config, database: Database, stop: Stop) -> None:
        self.config, self.database, self.stop = config, database, stop
        self.sender = Sender(config.ledger, stop)

    def prepare(self) -> None:
        """Make tables and topics that are missing. Raises LurgeError, Stopped."""
        need_tables(self.database, self.stop)
        make_topics(self.config.ledger, self.stop)
        if threading.current_thread() is threading.main_thread():
            # The kernel sends it if a file is opened for writing in the moment in which we look for writers.
            signal.signal(signal.SIGIO, signal.SIG_IGN)

    def take(self, path: Path) -> FileOutcome:
        """Import a file, unless its content was imported. One that changes meanwhile is read again. Raises Stopped."""
        outcome = FileOutcome(str(path))
        try:
            for _ in range(MOST_CHANGES):
                outcome = FileOutcome(str(path))
                if self._import(path, outcome):
                    return outcome
                log.warning("%s changed while it was read: reading it again", path)
            raise LedgerError(f"{path} changes while it is read", "Write it elsewhere, and rename it when it is whole.")
        except LurgeError as error:
            outcome.failed = error
            log.error("%s", error.message)
        except OSError as error:
            outcome.failed = OutputError.at(path, error)
            log.error("%s: %s", path, error)
        except Stopped:
            outcome.is_stopped = True
        return outcome

    def _import(self, path: Path, outcome: FileOutcome) -> bool:
        """Import a file; returns False if it changed meanwhile."""
        with open_events(path, follow=False) as file:
            reading = Reading(path, file, self.database, self._send)
            topic = self.config.ledger.events_topic

            def begun() -> FileProgress:
                with self.database.writing() as connection:
                    return begin(connection, reading.content, display(path), reading.identity.size, topic)

            progress = persist(self.database, begun, self.stop)
            outcome.is_known = progress.has_ended
            if not progress.has_ended:
                try:
                    progress = reading.to_its_end(progress, outcome)
                except FileChanged:
                    abandoned = progress

                    def noted() -> None:
                        with self.database.writing() as connection:
                            give_up(connection, abandoned)

                    persist(self.database, noted, self.stop)
                    return False
            persist(self.database, lambda: self.relay(), self.stop)
        put_away(path, reading.identity)
        return True

    def relay(self) -> None:
        """Send all messages of the outbox."""
        relay_all(self.database, self.sender, self.config.ledger)

    def _send(self, progress: FileProgress, lines: Sequence[Line], step: Step) -> None:
        """Send the events of some lines, and store the step when the broker has all of them."""
        topic = self.config.ledger.events_topic
        while lines:
            try:
                for line in lines:
                    event = line.event
                    self.sender.put(topic, key_of(event), json_of(event), file_headers(progress.key, line.number))  # type: ignore[arg-type]  # `read_on` gives valid lines
                refused = self.sender.flush()
            except Unsent as error:
                # Whoever reads them knows which lines they have had.
                log.warning("sending again: %s", error)
                self.stop.wait(LOOK_SECONDS)
                continue
            if not refused:
                break
            log.warning("%s refused %d events, and gets them again: %s", topic, len(refused), refused[0][0].str())
            self.stop.wait(LOOK_SECONDS)

        def store() -> None:
            with self.database.writing() as connection:
                advance(connection, progress, step, self.config.ledger.errors_topic)

        persist(self.database, store, self.stop)


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
        facts["files"] = [file.as_json() for file in outcome.files]
        if failed := [file.name for file in outcome.files if file.failed]:
            facts["failed"] = failed
    return outcome


def whole_ones(paths: list[Path], settling: Settling, stop: Stop) -> Iterator[Path]:
    """Yield files as they become whole. Raises Stopped."""
    left = paths
    while left:
        ready = whole_now(left, settling)
        yield from ready
        left = [path for path in left if path not in ready]
        if left:
            stop.wait(LOOK_SECONDS)


def whole_now(paths: Iterable[Path], settling: Settling) -> list[Path]:
    """Return those files that are whole, and those that cannot be opened: importing them says why."""
    ready = []
    for path in paths:
        try:
            if settling.is_whole(path):
                ready.append(path)
        except OSError:
            ready.append(path)
    return ready


def watch(config: Config, database: Database, places: Sequence[Path], stop: Stop) -> None:
    """Import files as they come, until it is asked to stop. A ticket is made for each time that some are there."""
    importer = Importer(config, database, stop)
    settling = Settling(config.ledger.settle_seconds)
    left_alone: dict[Path, float] = {}
    said = Said()
    try:
        importer.prepare()
        while True:
            ready = []
            for place in places:
                try:
                    found = [path for path in find_files([place]) if time.monotonic() >= left_alone.get(path, 0)]
                except LurgeError as error:
                    said.say("%s", error.message)
                    continue
                ready += whole_now(found, settling)
            if ready:
                import_some(config, importer, ready, left_alone)
            stop.wait(LOOK_SECONDS)
    except Stopped:
        log.info("stopped")


PAUSE_AFTER_FAILURE = 300.0


def import_some(config: Config, importer: Importer, paths: Sequence[Path], left_alone: dict[Path, float]) -> None:
    """Import some files as one job. left_alone: times until which files that failed are not looked at."""
    outcome = LedgerOutcome()
    with open_job(IMPORT, ticket_of(config, IMPORT)) as job, job.step("import") as facts:
        job.outcome = outcome
        for path in paths:
            file = importer.take(path)
            outcome.files.append(file)
            if file.failed:
                left_alone[path] = time.monotonic() + PAUSE_AFTER_FAILURE
            for line in file.lines():
                log.info("%s", line)
            if importer.stop.is_wanted:
                break
        facts["files"] = [file.as_json() for file in outcome.files]
    importer.stop.check()
