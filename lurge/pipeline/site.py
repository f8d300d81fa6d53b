"""A site while a job stores reports of it: names, quotas, and the outcomes of its volumes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from lurge.aggregate.standard import volume_report
from lurge.aggregate.usage import USERS
from lurge.aggregate.volume import Results
from lurge.config import Config
from lurge.config.fields import exact
from lurge.enrich.forecast import forecast
from lurge.enrich.identity import Names, make_identity
from lurge.enrich.quota import Quotas, make_quotas, quotas_of
from lurge.errors import LurgeError, TooManyRejected, VolumeError
from lurge.export.split import SplitByGroup
from lurge.model.dump import Dump
from lurge.model.report import Counts, Sample, VolumeReport
from lurge.model.rules import Rules
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Arrived, Result, Watcher
from lurge.pipeline.frame.job import Job, open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.hints import hint_at_attribution, hint_at_names, hint_at_quotas
from lurge.pipeline.trees import prune_trees, publish_tree
from lurge.pipeline.volumes import State, VolumeOutcome, note_volume, stored_so_far
from lurge.store.database import Database
from lurge.store.usage.sums import larger_than_stored
from lurge.store.usage.swap import NamedReport, store_volume

log = logging.getLogger(__name__)


@dataclass
class Site:
    """One site while a job works on it.

    backfilled: True if quotas of today are stored with dumps of older days. done: outcomes of volumes so far.
    """

    job: Job
    config: Config
    names: Names
    quotas: list[Quotas]
    backfilled: bool = False
    done: list[VolumeOutcome] = field(default_factory=list)
    _asked: dict[str, dict[int, int | None]] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        return self.job.database

    def store(self, dump: Dump, arrived: Result) -> VolumeOutcome:
        """Check and store the result of reading a volume."""
        outcome, results = check(self.config, dump, arrived)
        if results and isinstance(arrived, Arrived):
            try:
                started = time.monotonic()
                report = volume_report(results)
                outcome.counts, outcome.samples = report.counts, report.samples
                named = self._named(dump, report)
                store_volume(self.database, named, self.job.lock.confirm)
                outcome.warnings += larger_than_stored(named)
                outcome.warnings += self._hints(named, arrived.report.rules)
                outcome.stages["store"] = time.monotonic() - started
                log.info("%s: stored in %.1f s", dump.volume.name, outcome.stages["store"])
                outcome.state = State.STORED
                publish_tree(self.config.tree, self.names, dump, arrived, results, outcome)
                if outcome.tree:
                    prune_trees(self.config.tree, dump.volume.name)
                if self.config.works.from_dumps:
                    from lurge.pipeline.dumped_works import store_works

                    store_works(self.config, self.database, dump, arrived, results, outcome, self.backfilled)
            except LurgeError as error:
                outcome.state, outcome.error = State.FAILED, error
                log.error("%s", error.message)
        for warning in outcome.warnings:
            log.warning("%s", warning)
        self.note(outcome)
        return outcome

    def _hints(self, named: NamedReport, rules: Rules) -> Iterator[str]:
        """Warnings of names, quotas or base directories that are missing; for older dumps only of the last."""
        dump, report = named.dump, named.report
        yield from hint_at_attribution(self.config, dump, report, rules)
        if not self.backfilled:
            yield from hint_at_names(self.config, self.names, dump, report)
            yield from hint_at_quotas(self.config, dump, {row.gid for row in report.groups}, named.quotas)

    def read(self, dump: Dump, arrived: Result) -> VolumeOutcome:
        """Check the result of reading a volume that is stored already."""
        outcome, _ = check(self.config, dump, arrived)
        self.note(outcome)
        return outcome

    def note(self, outcome: VolumeOutcome) -> None:
        """Put the outcome of a volume into the ticket."""
        self.done.append(outcome)
        note_volume(self.job.ticket, outcome, dated=self.backfilled)

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
        limits = quotas_of(self.quotas, dump.volume, new)
        known |= {gid: limits.get(gid) for gid in new}
        return {gid: limit for gid in gids if (limit := known[gid]) is not None}


@contextmanager
def open_site(
    recipe: Recipe, config: Config, database: Database, watcher: Watcher, comm: Comm | None, backfilled: bool = False
) -> Iterator[Site]:
    """Begin a job that stores reports: keep its ticket and lock, and read names in its first step."""
    ticket = ticket_of(config, recipe, comm.size if comm else 1)
    with open_job(recipe, ticket, database, watcher) as job:
        with job.step("prepare"):
            names = Names(make_identity(config.identity), config.pseudo_groups)
        site = Site(job, config, names, make_quotas(config.quota), backfilled)
        job.state = lambda: stored_so_far(site.done)
        yield site


def check(config: Config, dump: Dump, arrived: Result) -> tuple[VolumeOutcome, Results | None]:
    """The outcome of reading a volume, and the results of its aggregates if everything in them adds up."""
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
    """If a volume was to be split by group, put the groups or the error into its outcome."""
    for aggregate in arrived.task.aggregates:
        if isinstance(aggregate, SplitByGroup):
            outcome.split_error = arrived.report.failures.get(aggregate.name)
            if not outcome.split_error:
                outcome.split = results.of(aggregate)
                outcome.users = sorted({row.uid for row in results.of(USERS)})


def check_rejected(config: Config, dump: Dump, counts: Counts, samples: Sequence[Sample]) -> None:
    """Raise TooManyRejected if more lines are malformed than the configuration allows."""
    limit = config.dumps.max_rejected_fraction
    if counts.rejected > exact(limit) * counts.records:
        first = min(samples, key=lambda sample: sample.line)
        raise TooManyRejected(
            f"{dump.path}: {counts.rejected} of {counts.lines} lines are rejected, more than {limit:g} of the records;"
            f" the first is line {first.line} ({first.reason}): {first.text[:80]!r}"
        )
