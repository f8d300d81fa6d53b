"""History from older dumps: those that are not stored yet, oldest first."""

from __future__ import annotations

import logging
from collections import deque
from datetime import date
from functools import partial
from pathlib import Path

from lurge.config import Config
from lurge.logs import set_role
from lurge.model.dump import Dump
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.outputs import check_reports
from lurge.pipeline.reading import read_all
from lurge.pipeline.report import REPORT, write_tables
from lurge.pipeline.site import Site, open_site
from lurge.pipeline.stored import is_stored
from lurge.pipeline.tonight import other_dumps
from lurge.pipeline.trees import begin_trees, first_tree_error
from lurge.pipeline.volumes import State, VolumeOutcome, VolumesOutcome
from lurge.pipeline.work import attempt, task_of
from lurge.store.database import Database
from lurge.store.tree.publish import would_be_kept
from lurge.store.usage.area import USAGE
from lurge.store.usage.recover import recover

log = logging.getLogger(__name__)


BACKFILL = Recipe("backfill", REPORT.steps, USAGE)


def run_backfill(
    config: Config, database: Database, comm: Comm | None, watcher: Watcher, since: date | None, limit: int | None
) -> VolumesOutcome:
    """The coordinator's whole job: store every older dump whose date is not stored.

    since: leave out older dumps. limit: store at most N dates. Dumps that an interrupted run has stored are not read
    again. Quotas of those days are not known: today's are stored, and marked as such. Raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    check_reports(config)
    with open_site(BACKFILL, config, database, watcher, comm, backfilled=True) as site:
        with site.job.step("find_dumps") as facts:
            missing = [dump for dump in older_dumps(config, since) if not is_stored(database, dump)]
            waiting = deque(sorted({dump.record_date for dump in missing}))
            facts["dates"] = [day.isoformat() for day in waiting]
        trees, tree_error = begin_trees(site)
        outcome = VolumesOutcome([])
        with site.job.step("read_and_store") as facts:
            while waiting and (limit is None or len(stored_days(outcome)) < limit):
                # A date that fails must not keep those after it from being stored.
                days = {waiting.popleft() for _ in range(len(waiting) if limit is None else 1)}
                dumps = [dump for dump in missing if dump.record_date in days]
                outcome.volumes += read_dates(site, comm, watcher, dumps, trees)
            facts["failed"] = outcome.failed
        with site.job.step("write_tables"):
            write_tables(site, outcome)
        outcome.error = outcome.error or tree_error or first_tree_error(outcome) or outcome.works_error
        site.job.outcome = outcome
    return outcome


def stored_days(outcome: VolumesOutcome) -> set[date]:
    """The dates that a run has stored."""
    return {volume.record_date for volume in outcome.volumes if volume.record_date and volume.state is State.STORED}


def read_dates(
    site: Site, comm: Comm | None, watcher: Watcher, dumps: list[Dump], trees: Path | None
) -> list[VolumeOutcome]:
    """Read and store some dumps in their order.

    trees: the folder for unfinished tree indexes, if they are wanted; those that would not be kept are not built.
    """
    tree = site.config.tree
    outcomes: dict[int, VolumeOutcome] = {}
    tasks: dict[int, VolumeTask] = {}
    for number, dump in enumerate(dumps):
        recover(site.database, dump.volume.name)
        others = [other.record_date for other in dumps if other.volume.name == dump.volume.name]
        is_kept = trees and would_be_kept(tree.directory, dump.volume.name, dump.record_date, tree.keep, others)
        into = trees / f"{dump.record_date}.{number}" if trees and is_kept else None
        result = attempt(dump.volume, partial(task_of, site.config, dump, tree_into=into))
        if isinstance(result, VolumeTask):
            tasks[number] = result
        else:
            outcomes[number] = result
            site.note(result)

    def finish(number: int, result: Result) -> None:
        outcomes[number] = site.store(tasks[number].dump, result)

    read_all(site.config, comm, tasks, watcher, finish, at_once=len(site.config.dumps.volumes))
    return [outcomes[number] for number in sorted(outcomes)]


def older_dumps(config: Config, since: date | None = None) -> list[Dump]:
    """Every dump but those that are read tonight, one a date: oldest first, then in the order of the configuration.

    Raises VolumeError if dumps cannot be listed.
    """
    dumps = [dump for volume in config.dumps.volumes for dump in other_dumps(config, volume)]
    return sorted((dump for dump in dumps if since is None or dump.record_date >= since), key=lambda d: d.record_date)
