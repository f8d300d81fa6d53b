"""The main job: read tonight's dumps, build all reports, store them, write the TSVs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.reconcile import reconcile
from lurge.aggregate.warm import compile_kernels
from lurge.config import Config
from lurge.enrich.identity import Names, make_identity
from lurge.errors import DumpNotFound, LurgeError, TooManyRejected, VolumeError
from lurge.export.tsv import write_reports
from lurge.logs import set_role
from lurge.model.dump import Dump, Volume
from lurge.model.report import REASONS, Counts, Sample, VolumeReport
from lurge.source.finding import find_base_directories, newest_dump
from lurge.store.database import Database
from lurge.store.newest import newest_reports
from lurge.store.swap import NamedReport, recover, store_volume, stored_dates
from lurge.stream.comm import Comm, thread_comms
from lurge.stream.coordinator import Coordinator, Watcher
from lurge.stream.member import run_member
from lurge.stream.plan import make_plan
from lurge.stream.protocol import Arrived, Job, unpack_object
from lurge.stream.threads import start_thread, usable_cores

log = logging.getLogger(__name__)


class State(StrEnum):
    """What became of a volume."""

    STORED = "stored"
    KNOWN = "already stored"
    MISSING = "no dump"
    FAILED = "failed"


@dataclass
class VolumeOutcome:
    """What became of one volume, and what was counted on the way."""

    volume: str
    state: State
    record_date: date | None = None
    error: LurgeError | None = None
    counts: Counts | None = None
    samples: list[Sample] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Outcome:
    """What became of the job."""

    volumes: list[VolumeOutcome]
    tsvs: list[Path]

    @property
    def exit_status(self) -> int:
        """0 all is stored; 3 some volumes failed or have no dump; 1 volumes failed and none is stored."""
        states = {volume.state for volume in self.volumes}
        if not states & {State.MISSING, State.FAILED}:
            return 0
        return 3 if states & {State.STORED, State.KNOWN} or State.FAILED not in states else 1


def run_report(config: Config, database: Database, comm: Comm | None, watcher: Watcher, force: bool) -> Outcome:
    """The coordinator's whole job. comm: this rank's end of MPI; None alone, where threads play the roles.

    A volume's error is in its outcome; any other raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    names = Names(make_identity(config.identity), config.pseudo_groups)
    database.upgrade()
    outcomes = {}
    jobs = {}
    for number, volume in enumerate(config.dumps.volumes):
        found = find_work(config, database, volume, force)
        if isinstance(found, Job):
            jobs[number] = found
        else:
            outcomes[number] = found
    for number, arrived in read_all(config, comm, jobs, watcher).items():
        outcomes[number] = finish_volume(config, database, names, jobs[number].dump, arrived)
    volumes = [volume.name for volume in config.dumps.volumes]
    filetypes = [filetype.name for filetype in config.filetypes]
    with database.reading() as connection:
        tsvs = write_reports(newest_reports(connection, volumes), config.reports.directory, volumes, filetypes)
    return Outcome([outcomes[number] for number in sorted(outcomes)], tsvs)


def find_work(config: Config, database: Database, volume: Volume, force: bool) -> Job | VolumeOutcome:
    """The job of reading a volume's newest dump, or why there is none."""
    recover(database, volume.name)
    today = datetime.now(UTC).date()
    try:
        dump = newest_dump(config.dumps.directory, volume, today, config.dumps.max_days_ago)
        with database.reading() as connection:
            if dump.record_date in stored_dates(connection, volume.name) and not force:
                log.info("%s: %s is stored already", volume.name, dump.record_date)
                return VolumeOutcome(volume.name, State.KNOWN, dump.record_date)
        directories = config.dumps.base_directories
        return Job(
            dump=dump,
            base_directories=directories or find_base_directories(config.dumps.directory, dump.record_date),
            pseudo_groups=config.pseudo_groups,
            filetypes=config.filetypes,
            deep_directories=config.reports.deep_directories,
            aliases=config.path_aliases,
            block_records=config.mpi.block_records,
        )
    except DumpNotFound as error:
        log.warning("%s", error.message)
        return VolumeOutcome(volume.name, State.MISSING, error=error)
    except VolumeError as error:
        log.error("%s: %s", volume.name, error.message)
        return VolumeOutcome(volume.name, State.FAILED, error=error)
    except OSError as error:
        problem = VolumeError(f"{volume.name}: {error.filename}: {error.strerror}", "Correct its permissions.")
        log.error("%s", problem.message)
        return VolumeOutcome(volume.name, State.FAILED, error=problem)


def read_all(
    config: Config, comm: Comm | None, jobs: dict[int, Job], watcher: Watcher
) -> dict[int, Arrived | VolumeError]:
    """Read every dump on the ranks of `comm`, or on threads; in the order of the configuration."""
    if not jobs:
        return {}
    compile_kernels()
    network = comm or start_members(2 + usable_cores())
    plan = make_plan(network.size, len(jobs), config.mpi.workers_per_volume)
    results = Coordinator(network, plan, jobs, watcher).run()
    if comm is None:
        network.stop_others(0)
    return dict(sorted(results.items()))


def start_members(size: int) -> Comm:
    """Threads as ranks; returns the coordinator's end of their network."""
    coordinator, *members = thread_comms(size)
    for member in members:
        start_thread(partial(run_member, member), member.name)
    return coordinator


def finish_volume(
    config: Config, database: Database, names: Names, dump: Dump, arrived: Arrived | VolumeError
) -> VolumeOutcome:
    """Check and store what arrived of one volume."""
    outcome = VolumeOutcome(dump.volume.name, State.FAILED, dump.record_date)
    if isinstance(arrived, VolumeError):
        outcome.error = arrived
        return outcome
    outcome.seconds = arrived.seconds
    try:
        report = report_of(arrived)
        outcome.counts, outcome.samples = report.counts, report.samples
        reconcile(dump.volume.name, report)
        if not report.counts.lines:
            log.warning("%s has no records: the volume is stored as empty", dump.path)
        check_rejected(config, dump, report)
        started = time.monotonic()
        store_volume(database, name_report(config, names, dump, report))
        log.info("%s: stored in %.1f s", dump.volume.name, time.monotonic() - started)
        outcome.state = State.STORED
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.error = error
    return outcome


def report_of(arrived: Arrived) -> VolumeReport:
    """The rows of a volume's arrays."""
    rules = unpack_object(arrived.arrays["rules"])
    aggregator = Aggregator(rules)
    aggregator.merge(arrived.arrays)
    return aggregator.report(rules, arrived.lines)


def check_rejected(config: Config, dump: Dump, report: VolumeReport) -> None:
    """Raise TooManyRejected where more lines are malformed than may be."""
    counts, most = report.counts, config.dumps.max_rejected_fraction
    if counts.rejected > most * counts.records:
        first = min((one for one in report.samples if one.reason in REASONS), key=lambda one: one.line)
        raise TooManyRejected(
            f"{dump.path}: {counts.rejected} of {counts.lines} lines are rejected, more than {most:g} of the records;"
            f" the first is line {first.line} ({first.reason}): {first.text[:80]!r}"
        )


def name_report(config: Config, names: Names, dump: Dump, report: VolumeReport) -> NamedReport:
    """The report with the names of every group and user in it."""
    return NamedReport(
        dump=dump,
        report=report,
        groups={gid: names.group(gid) for gid in sorted({row.gid for row in report.users})},
        users={uid: names.user(uid) for uid in sorted({row.uid for row in report.users})},
        filetypes=[filetype.name for filetype in config.filetypes],
    )
