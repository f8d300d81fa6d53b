"""History from older dumps: all that are not stored yet, oldest first."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime

from lurge.config import Config
from lurge.errors import LurgeError
from lurge.logs import set_role
from lurge.model.dump import Dump
from lurge.pipeline.outcome import Outcome, VolumeOutcome
from lurge.pipeline.reading import SigningWatcher, read_all
from lurge.pipeline.report import is_stored, write_tables
from lurge.pipeline.site import Site, open_site
from lurge.pipeline.work import job_of, problem_with
from lurge.source.finding import find_dumps, from_the_future
from lurge.store.database import Database
from lurge.store.swap import recover
from lurge.stream.comm import Comm
from lurge.stream.coordinator import Result, Watcher
from lurge.stream.protocol import Job

log = logging.getLogger(__name__)


def run_backfill(
    config: Config, database: Database, comm: Comm | None, watcher: Watcher, since: date | None, most: int | None
) -> Outcome:
    """The coordinator's whole job: store every older dump of which nothing is stored.

    since: leave out what is older. most: so many dates at most. What an interrupted run has stored is not read again.
    Quotas of those days are not known: today's take their place, marked as such. Raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    with open_site(config, database, "backfill", comm.size if comm else 1, backfilled=True) as site:
        outcomes: dict[int, VolumeOutcome] = {}
        jobs: dict[int, Job] = {}
        with site.ticket.step("find_dumps") as facts:
            missing = [dump for dump in older_dumps(config, since) if not is_stored(site, dump)]
            dates = sorted({dump.record_date for dump in missing})[:most]
            facts["dates"] = [day.isoformat() for day in dates]
            for number, dump in enumerate(dump for dump in missing if dump.record_date in dates):
                recover(site.database, dump.volume.name)
                found = job_or_problem(site, dump)
                if isinstance(found, Job):
                    jobs[number] = found
                else:
                    outcomes[number] = found

        def finish(number: int, result: Result) -> None:
            outcomes[number] = site.store(jobs[number].dump, result)

        with site.ticket.step("read_and_store"):
            read_all(config, comm, jobs, SigningWatcher(watcher, site.ticket), finish, largest_first=False)
        outcome = Outcome([outcomes[number] for number in sorted(outcomes)])
        with site.ticket.step("write_tables"):
            outcome.tsvs = write_tables(site)
        site.ticket.close(outcome.exit_status)
    return outcome


def job_or_problem(site: Site, dump: Dump) -> Job | VolumeOutcome:
    try:
        return job_of(site.config, dump)
    except LurgeError as error:
        return problem_with(dump.volume, error)


def older_dumps(config: Config, since: date | None = None) -> list[Dump]:
    """Every dump but the newest of its volume, which is the main job's; one a date; oldest first.

    On one date in the order of the configuration.
    """
    today = datetime.now(UTC).date()
    found = []
    for number, volume in enumerate(config.dumps.volumes):
        of_date: dict[date, Dump] = {}
        for dump in find_dumps(config.dumps.directory, volume):
            if not from_the_future(dump, today):
                of_date.setdefault(dump.record_date, dump)
        for day in sorted(of_date, reverse=True)[1:]:
            if since is None or day >= since:
                found.append((day, number, of_date[day]))
    return [dump for *_, dump in sorted(found, key=lambda one: one[:2])]
