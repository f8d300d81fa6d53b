"""History from older dumps: all that are not stored yet, oldest first."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, date, datetime

from lurge.config import Config
from lurge.errors import LurgeError
from lurge.logs import set_role
from lurge.model.dump import Dump
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.outcome import Outcome, State, VolumeOutcome
from lurge.pipeline.outputs import check_reports
from lurge.pipeline.reading import read_all
from lurge.pipeline.report import is_stored, write_tables
from lurge.pipeline.site import Site, open_site
from lurge.pipeline.work import problem_with, task_of
from lurge.source.finding import find_dumps, from_the_future
from lurge.store.database import Database
from lurge.store.usage.recover import recover

log = logging.getLogger(__name__)


def run_backfill(
    config: Config, database: Database, comm: Comm | None, watcher: Watcher, since: date | None, most: int | None
) -> Outcome:
    """The coordinator's whole job: store every older dump of which nothing is stored.

    since: leave out what is older. most: store so many dates at most. What an interrupted run has stored is not read
    again. Quotas of those days are not known: today's take their place, marked as such. Raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    check_reports(config)
    with open_site(config, database, "backfill", comm.size if comm else 1, backfilled=True) as site:
        with site.ticket.step("find_dumps") as facts:
            missing = [dump for dump in older_dumps(config, since) if not is_stored(site, dump)]
            waiting = deque(sorted({dump.record_date for dump in missing}))
            facts["dates"] = [day.isoformat() for day in waiting]
        outcome = Outcome([])
        with site.ticket.step("read_and_store") as facts:
            while waiting and (most is None or len(stored_days(outcome)) < most):
                # A date that fails must not keep those after it from being stored.
                days = {waiting.popleft() for _ in range(len(waiting) if most is None else 1)}
                dumps = [dump for dump in missing if dump.record_date in days]
                outcome.volumes += read_dates(site, comm, watcher, dumps)
            facts["failed"] = outcome.failed
        with site.ticket.step("write_tables"):
            write_tables(site, outcome)
        site.ticket.close(outcome.exit_status)
    return outcome


def stored_days(outcome: Outcome) -> set[date]:
    return {one.record_date for one in outcome.volumes if one.record_date and one.state is State.STORED}


def read_dates(site: Site, comm: Comm | None, watcher: Watcher, dumps: list[Dump]) -> list[VolumeOutcome]:
    """Read and store some dumps in their order."""
    outcomes: dict[int, VolumeOutcome] = {}
    tasks: dict[int, VolumeTask] = {}
    for number, dump in enumerate(dumps):
        recover(site.database, dump.volume.name)
        found = task_or_problem(site, dump)
        if isinstance(found, VolumeTask):
            tasks[number] = found
        else:
            outcomes[number] = found
            site.note(found)

    def finish(number: int, result: Result) -> None:
        outcomes[number] = site.store(tasks[number].dump, result)

    read_all(site.config, comm, tasks, watcher, finish, at_once=len(site.config.dumps.volumes))
    return [outcomes[number] for number in sorted(outcomes)]


def task_or_problem(site: Site, dump: Dump) -> VolumeTask | VolumeOutcome:
    try:
        return task_of(site.config, dump)
    except LurgeError as error:
        return problem_with(dump.volume, error)


def older_dumps(config: Config, since: date | None = None) -> list[Dump]:
    """Every dump but those that the main job reads; one a date; oldest first, of one date in the configuration's order.

    The main job reads the newest of a volume while it is new enough. Raises VolumeError where dumps cannot be listed.
    """
    today = datetime.now(UTC).date()
    found = []
    for number, volume in enumerate(config.dumps.volumes):
        of_date: dict[date, Dump] = {}
        for dump in find_dumps(config.dumps.directory, volume):
            if not from_the_future(dump, today):
                of_date.setdefault(dump.record_date, dump)
        newest = max(of_date, default=None)
        for day, dump in of_date.items():
            is_tonights = day == newest and (today - day).days <= config.dumps.max_days_ago
            if not is_tonights and (since is None or day >= since):
                found.append((day, number, dump))
    return [dump for *_, dump in sorted(found, key=lambda one: one[:2])]
