"""What the jobs of one site work with: its configuration, database, names, quotas and ticket."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from lurge.aggregate.reconcile import reconcile
from lurge.aggregate.rows import make_report
from lurge.config import Config
from lurge.enrich.forecast import forecast
from lurge.enrich.identity import Names, make_identity
from lurge.enrich.quota import Quotas, make_quotas, quotas_of
from lurge.errors import LurgeError, ReconciliationError, TooManyRejected, VolumeError
from lurge.model.dump import Dump
from lurge.model.report import REASONS, VolumeReport
from lurge.model.split import GroupLines
from lurge.pipeline.outcome import State, VolumeOutcome
from lurge.pipeline.ticket import JobTicket, ticket_of
from lurge.store.database import Database
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.usage.area import USAGE
from lurge.store.usage.sums import larger_than_stored
from lurge.store.usage.swap import NamedReport, store_volume
from lurge.stream.protocol import Arrived, unpack_object
from lurge.stream.stages import STAGES

log = logging.getLogger(__name__)


@dataclass
class Site:
    """One site while a job works on it.

    backfilled: whether the quotas of today are put beside dumps of older days.
    """

    config: Config
    database: Database
    lock: RunLock
    names: Names
    quotas: list[Quotas]
    ticket: JobTicket
    backfilled: bool = False
    _asked: dict[str, dict[int, int | None]] = field(default_factory=dict)

    def store(self, dump: Dump, arrived: Arrived | VolumeError) -> VolumeOutcome:
        """Check and store what arrived of one volume."""
        outcome, report = check(self.config, dump, arrived)
        if report:
            try:
                started = time.monotonic()
                named = self._named(dump, report)
                store_volume(self.database, named, self.lock.confirm)
                outcome.warnings += larger_than_stored(named)
                outcome.stages["store"] = time.monotonic() - started
                log.info("%s: stored in %.1f s", dump.volume.name, outcome.stages["store"])
                outcome.state = State.STORED
            except LurgeError as error:
                outcome.state, outcome.error = State.FAILED, error
                log.error("%s", error.message)
        for warning in outcome.warnings:
            log.warning("%s", warning)
        self.note(outcome)
        return outcome

    def read(self, dump: Dump, arrived: Arrived | VolumeError) -> VolumeOutcome:
        """Check what arrived of a volume that is stored already."""
        outcome, _ = check(self.config, dump, arrived)
        self.note(outcome)
        return outcome

    def note(self, outcome: VolumeOutcome) -> None:
        """Put what became of a volume into the ticket."""
        self.ticket.note_volume(outcome, dated=self.backfilled)

    def _named(self, dump: Dump, report: VolumeReport) -> NamedReport:
        """The report with the names and quotas of every group and user in it."""
        gids = sorted({row.gid for row in report.users})
        return NamedReport(
            dump=dump,
            report=report,
            groups={gid: self.names.group(gid) for gid in gids},
            users={uid: self.names.user(uid) for uid in sorted({row.uid for row in report.users})},
            filetypes=[filetype.name for filetype in self.config.filetypes],
            forecast=partial(forecast, levels=self.config.levels),
            quotas=self._quotas(dump, {row.gid for row in report.groups}),
            backfilled=self.backfilled,
        )

    def _quotas(self, dump: Dump, gids: set[int]) -> dict[int, int]:
        """Bytes by gid; every group is asked for once a volume."""
        known = self._asked.setdefault(dump.volume.name, {})
        new = {gid: self.names.known_as(gid) for gid in sorted(gids - known.keys())}
        found = quotas_of(self.quotas, dump.volume, new)
        known |= {gid: found.get(gid) for gid in new}
        return {gid: limit for gid in gids if (limit := known[gid]) is not None}


@contextmanager
def open_site(config: Config, database: Database, job: str, ranks: int, backfilled: bool = False) -> Iterator[Site]:
    """What every job begins with: make a ticket, take the lock, bring the schema up to date, ask for names."""
    ticket = ticket_of(config, job, ranks)
    with ExitStack() as stack, ticket.closing():
        with ticket.step("prepare"):
            lock = stack.enter_context(sole_run(database, USAGE, job))
            names = Names(make_identity(config.identity), config.pseudo_groups)
        yield Site(config, database, lock, names, make_quotas(config.quota), ticket, backfilled)


def check(config: Config, dump: Dump, arrived: Arrived | VolumeError) -> tuple[VolumeOutcome, VolumeReport | None]:
    """What arrived of a volume, and its report, if everything in it adds up."""
    outcome = VolumeOutcome(dump.volume.name, State.FAILED, dump.record_date)
    if isinstance(arrived, VolumeError):
        outcome.error = arrived
        return outcome, None
    outcome.seconds = arrived.seconds
    outcome.stages = dict(zip(STAGES, arrived.arrays["stages"].tolist(), strict=True))
    try:
        report = report_of(arrived)
        outcome.counts, outcome.samples = report.counts, report.samples
        reconcile(dump.volume.name, report)
        if "split_error" in arrived.arrays:
            outcome.split_error = unpack_object(arrived.arrays["split_error"]).error
        if "split" in arrived.arrays:
            outcome.split = [GroupLines(*row) for row in arrived.arrays["split"].tolist()]
            outcome.users = sorted({row.uid for row in report.users})
            lines = sum(group.lines for group in outcome.split)
            if lines != report.counts.records:
                raise ReconciliationError(
                    f"{dump.volume.name}: {lines} lines were split by group, but {report.counts.records} records read"
                )
        if not report.counts.lines:
            log.warning("%s has no records: the volume is stored as empty", dump.path)
        check_rejected(config, dump, report)
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.error = error
        return outcome, None
    outcome.state = State.READ
    return outcome, report


def report_of(arrived: Arrived) -> VolumeReport:
    """The rows of a volume's arrays."""
    rules = unpack_object(arrived.arrays["rules"])
    return make_report(arrived.arrays, rules, arrived.lines)


def check_rejected(config: Config, dump: Dump, report: VolumeReport) -> None:
    """Raise TooManyRejected where more lines are malformed than may be."""
    counts, most = report.counts, config.dumps.max_rejected_fraction
    if counts.rejected > most * counts.records:
        first = min((one for one in report.samples if one.reason in REASONS), key=lambda one: one.line)
        raise TooManyRejected(
            f"{dump.path}: {counts.rejected} of {counts.lines} lines are rejected, more than {most:g} of the records;"
            f" the first is line {first.line} ({first.reason}): {first.text[:80]!r}"
        )
