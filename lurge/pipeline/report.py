"""The main job: read tonight's dumps, build all reports, store them, write the TSVs."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lurge.config import Config
from lurge.errors import LurgeError, UsageError, VolumeError
from lurge.export.groups import sole_split
from lurge.export.tsv import write_reports
from lurge.logs import set_role
from lurge.model.dump import Dump, Volume
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.outcome import Outcome, State, VolumeOutcome
from lurge.pipeline.outputs import check_reports
from lurge.pipeline.reading import read_all
from lurge.pipeline.site import Site, open_site
from lurge.pipeline.split import publish_groups
from lurge.pipeline.work import problem_with, task_of
from lurge.source.finding import newest_dump
from lurge.store.database import Database
from lurge.store.usage.read.dates import is_outdated, stored_dates
from lurge.store.usage.read.newest import newest_reports
from lurge.store.usage.recover import recover

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """The part of the job that is asked for.

    volumes: names of the volumes to read; empty for all of the configuration. force: replace what is stored of the same
    dates. split: publish the lines of each group, too.
    """

    volumes: frozenset[str] = frozenset()
    force: bool = False
    split: bool = False

    def check(self, config: Config) -> None:
        """Raise UsageError for a volume that the configuration does not name."""
        configured = [volume.name for volume in config.dumps.volumes]
        unknown = sorted(self.volumes.difference(configured))
        if unknown:
            raise UsageError(
                f"{', '.join(unknown)}: not in dumps.volumes of {config.file}",
                f"The configured volumes are {', '.join(configured)}.",
            )


def run_report(config: Config, database: Database, comm: Comm | None, watcher: Watcher, wanted: Wanted) -> Outcome:
    """The coordinator's whole job. comm: this rank's end of MPI; None alone, where threads play the roles.

    A volume's error is in its outcome; any other raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    wanted.check(config)
    check_reports(config)
    split = wanted.split
    job = "report_and_split" if split else "report"
    with ExitStack() as stack:
        site = stack.enter_context(open_site(config, database, job, comm.size if comm else 1))
        parts, split_error = begin_split(config, stack) if split else (None, None)
        outcomes: dict[int, VolumeOutcome] = {}
        with site.ticket.step("find_dumps") as facts:
            tasks = find_all(site, wanted, parts, outcomes)
            is_split_alone = split and not wanted.force
            only_split = {number for number, task in tasks.items() if is_split_alone and is_stored(site, task.dump)}
            facts["dumps"] = {task.dump.volume.name: str(task.dump.path) for task in tasks.values()}
            facts["inputs"] = {task.dump.volume.name: fingerprint(config, task) for task in tasks.values()}

        def finish(number: int, result: Result) -> None:
            finished = site.read if number in only_split else site.store
            outcomes[number] = finished(tasks[number].dump, result)

        with site.ticket.step("read_and_store") as facts:
            read_all(config, comm, tasks, watcher, finish)
            outcome = Outcome([outcomes[number] for number in sorted(outcomes)])
            facts["failed"] = outcome.failed
        with site.ticket.step("write_tables") as facts:
            write_tables(site, outcome)
            facts["files"] = [str(path) for path in outcome.tsvs]
        if parts:
            publish_groups(config, site.names, parts, outcome, site.ticket)
        outcome.error = outcome.error or split_error
        site.ticket.close(outcome.exit_status)
    return outcome


def begin_split(config: Config, stack: ExitStack) -> tuple[Path | None, LurgeError | None]:
    """A folder for the parts of a split until `stack` ends, or why there is none: that does not stop the report."""
    try:
        return stack.enter_context(sole_split(config.split.directory)), None
    except LurgeError as error:
        log.error("the dumps are not split: %s", error.message)
        return None, error


def find_all(
    site: Site, wanted: Wanted, parts: Path | None, outcomes: dict[int, VolumeOutcome]
) -> dict[int, VolumeTask]:
    """The dumps to read tonight, by the place of their volumes in the configuration; what becomes of the others."""
    tasks = {}
    for number, volume in enumerate(site.config.dumps.volumes):
        if wanted.volumes and volume.name not in wanted.volumes:
            continue
        split_into = parts / str(number) if parts else None
        found = find_work(site, volume, wanted.force, split_into)
        if isinstance(found, VolumeTask):
            tasks[number] = found
        else:
            outcomes[number] = found
            site.note(found)
    return tasks


def find_work(site: Site, volume: Volume, force: bool, split_into: Path | None) -> VolumeTask | VolumeOutcome:
    """The job of reading a volume's newest dump, or why there is none."""
    recover(site.database, volume.name)
    today = datetime.now(UTC).date()
    try:
        dump = newest_dump(site.config.dumps.directory, volume, today, site.config.dumps.max_days_ago)
        known = split_into is None and is_stored(site, dump)
        if known and (not force or stored_by_the_dead(site, task_of(site.config, dump))):
            log.info("%s: %s is stored already", volume.name, dump.record_date)
            return VolumeOutcome(volume.name, State.KNOWN, dump.record_date)
        return task_of(site.config, dump, split_into)
    except LurgeError as error:
        return problem_with(volume, error)
    except OSError as error:
        message = f"{volume.name}: {error.filename}: {error.strerror}"
        return problem_with(volume, VolumeError(message, "Correct its permissions."))


def is_stored(site: Site, dump: Dump) -> bool:
    """Whether a dump's date is stored, of this dump or of a newer one of that date."""

    def look() -> bool:
        with site.database.reading() as connection:
            stored = dump.record_date in stored_dates(connection, dump.volume.name)
            outdated = stored and is_outdated(connection, dump)
        if outdated:
            log.info("%s is newer than the stored dump of %s, which it replaces", dump.path, dump.record_date)
        return stored and not outdated

    return site.database.retrying(look)


def stored_by_the_dead(site: Site, task: VolumeTask) -> bool:
    """Whether the run that this one continues, having died, had stored the very same again."""
    context: dict[str, Any] = site.ticket.died["context"] if site.ticket.died else {}
    name = task.dump.volume.name
    state = context.get("volumes", {}).get(name, {}).get("state")
    read = context.get("steps", {}).get("find_dumps", {}).get("inputs", {}).get(name)
    return bool(state == State.STORED and read == fingerprint(site.config, task))


def fingerprint(config: Config, task: VolumeTask) -> str:
    """What the numbers of a volume depend on, in short: the dump, the base directories, the configuration."""
    found = hashlib.sha256(config.file.read_bytes())
    for path in (task.dump.path, task.base_directories):
        status = path.stat()
        found.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def write_tables(site: Site, outcome: Outcome) -> None:
    """Write the TSVs from what is stored; the outcome tells which, and how long it took."""
    started = time.monotonic()
    config = site.config
    volumes = [volume.name for volume in config.dumps.volumes]
    filetypes = [filetype.name for filetype in config.filetypes]

    def write() -> Sequence[Path]:
        with site.database.reading() as connection:
            return write_reports(newest_reports(connection, volumes), config.reports.directory, volumes, filetypes)

    outcome.tsvs = list(site.database.retrying(write))
    outcome.write_seconds = time.monotonic() - started
