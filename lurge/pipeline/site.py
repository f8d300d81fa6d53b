"""What the jobs of one site work with: its configuration, database, names, quotas and ticket."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from lurge.aggregate.standard import volume_report
from lurge.aggregate.usage import USERS
from lurge.aggregate.volume import Results
from lurge.config import Config
from lurge.enrich.forecast import forecast
from lurge.enrich.identity import Names, make_identity
from lurge.enrich.quota import Quotas, make_quotas, quotas_of
from lurge.errors import LurgeError, TooManyRejected, VolumeError
from lurge.export.split import SplitByGroup
from lurge.model.dump import Dump
from lurge.model.report import Counts, Sample, VolumeReport
from lurge.model.rules import Rules
from lurge.parallel.coordinator import Arrived, Result
from lurge.pipeline.hints import hint_at_attribution, hint_at_names, hint_at_quotas
from lurge.pipeline.interrupted import stored_so_far, told_if_interrupted
from lurge.pipeline.outcome import State, VolumeOutcome
from lurge.pipeline.ticket import JobTicket, ticket_of
from lurge.store.database import Database
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.usage.area import USAGE
from lurge.store.usage.sums import larger_than_stored
from lurge.store.usage.swap import NamedReport, store_volume

log = logging.getLogger(__name__)


@dataclass
class Site:
    """One site while a job works on it.

    backfilled: whether the quotas of today are put beside dumps of older days. done: what became of volumes so far.
    """

    config: Config
    database: Database
    lock: RunLock
    names: Names
    quotas: list[Quotas]
    ticket: JobTicket
    backfilled: bool = False
    done: list[VolumeOutcome] = field(default_factory=list)
    _asked: dict[str, dict[int, int | None]] = field(default_factory=dict)

    def store(self, dump: Dump, arrived: Result) -> VolumeOutcome:
        """Check and store what arrived of one volume."""
        outcome, results = check(self.config, dump, arrived)
        if results and isinstance(arrived, Arrived):
            try:
                started = time.monotonic()
                report = volume_report(results)
                outcome.counts, outcome.samples = report.counts, report.samples
                named = self._named(dump, report)
                store_volume(self.database, named, self.lock.confirm)
                outcome.warnings += larger_than_stored(named)
                outcome.warnings += self._hints(named, arrived.report.rules)
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

    def _hints(self, named: NamedReport, rules: Rules) -> Iterator[str]:
        """What the configuration lacks to say more of a volume; of older dumps only what matters to each."""
        dump, report = named.dump, named.report
        yield from hint_at_attribution(self.config, dump, report, rules)
        if not self.backfilled:
            yield from hint_at_names(self.config, self.names, dump, report)
            yield from hint_at_quotas(self.config, dump, {row.gid for row in report.groups}, named.quotas)

    def read(self, dump: Dump, arrived: Result) -> VolumeOutcome:
        """Check what arrived of a volume that is stored already."""
        outcome, _ = check(self.config, dump, arrived)
        self.note(outcome)
        return outcome

    def note(self, outcome: VolumeOutcome) -> None:
        """Put what became of a volume into the ticket."""
        self.done.append(outcome)
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
        site = Site(config, database, lock, names, make_quotas(config.quota), ticket, backfilled)
        with told_if_interrupted(lambda: stored_so_far(site.done)):
            yield site


def check(config: Config, dump: Dump, arrived: Result) -> tuple[VolumeOutcome, Results | None]:
    """What arrived of a volume, and the results of its aggregates, if everything in them adds up."""
    outcome = VolumeOutcome(dump.volume.name, State.FAILED, dump.record_date)
    if isinstance(arrived, VolumeError):
        outcome.error = arrived
        return outcome, None
    outcome.seconds = arrived.seconds
    outcome.stages = dict(arrived.report.seconds)
    try:
        results = arrived.results()
        outcome.counts, outcome.samples = results.counts, results.samples
        note_split(outcome, arrived, results)
        if not results.counts.lines:
            log.warning("%s has no records: the volume is stored as empty", dump.path)
        check_rejected(config, dump, results.counts, results.samples)
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.error = error
        return outcome, None
    outcome.state = State.READ
    return outcome, results


def note_split(outcome: VolumeOutcome, arrived: Arrived, results: Results) -> None:
    """Put into the outcome what was split by group, or why it was not, if that was wanted."""
    for aggregate in arrived.task.aggregates:
        if isinstance(aggregate, SplitByGroup):
            outcome.split_error = arrived.report.failures.get(aggregate.name)
            if not outcome.split_error:
                outcome.split = results.of(aggregate)
                outcome.users = sorted({row.uid for row in results.of(USERS)})


def check_rejected(config: Config, dump: Dump, counts: Counts, samples: Sequence[Sample]) -> None:
    """Raise TooManyRejected if more lines are malformed than the configuration allows."""
    limit = config.dumps.max_rejected_fraction
    if counts.rejected > limit * counts.records:
        first = min(samples, key=lambda sample: sample.line)
        raise TooManyRejected(
            f"{dump.path}: {counts.rejected} of {counts.lines} lines are rejected, more than {limit:g} of the records;"
            f" the first is line {first.line} ({first.reason}): {first.text[:80]!r}"
        )
