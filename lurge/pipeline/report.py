"""The main job: read tonight's dumps, build all reports, store them, write the TSVs."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lurge.config import Config
from lurge.errors import LurgeError, UsageError
from lurge.export.groups import sole_split
from lurge.export.tsv import write_reports
from lurge.logs import set_role
from lurge.model.dump import Dump
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.outputs import check_reports
from lurge.pipeline.reading import read_all
from lurge.pipeline.site import Site, open_site
from lurge.pipeline.split import publish_groups
from lurge.pipeline.stored import is_stored
from lurge.pipeline.tonight import tonights_tasks
from lurge.pipeline.trees import begin_trees, first_tree_error
from lurge.pipeline.volumes import State, VolumeOutcome, VolumesOutcome
from lurge.pipeline.work import task_of
from lurge.store.database import Database
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.newest import newest_reports
from lurge.store.usage.recover import recover

log = logging.getLogger(__name__)


REPORT = Recipe("report", ("prepare", "find_dumps", "read_and_store", "write_tables"), USAGE)
REPORT_AND_SPLIT = Recipe("report_and_split", (*REPORT.steps, "publish_groups"), USAGE)


@dataclass(frozen=True)
class Wanted:
    """The part of the job that is asked for.

    volumes: names of the volumes to read; empty for all of the configuration. force: replace reports of the same dates
    that are stored. split: also publish the lines of each group.
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


def run_report(
    config: Config, database: Database, comm: Comm | None, watcher: Watcher, wanted: Wanted
) -> VolumesOutcome:
    """The coordinator's whole job. comm: this rank's end of MPI; None alone, where threads play the roles.

    A volume's error is in its outcome; any other raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    wanted.check(config)
    check_reports(config)
    if config.works.from_dumps:
        from lurge.pipeline.dumped_works import warn_of_trees_elsewhere

        warn_of_trees_elsewhere(config)
    recipe = REPORT_AND_SPLIT if wanted.split else REPORT
    with open_site(recipe, config, database, watcher, comm) as site:
        parts, split_error = begin_split(site) if wanted.split else (None, None)
        trees, tree_error = begin_trees(site)
        with site.job.step("find_dumps") as facts:
            tasks, outcomes = find_tasks(site, wanted, parts, trees)
            is_split_alone = wanted.split and not wanted.force
            only_split = {n for n, task in tasks.items() if is_split_alone and is_stored(database, task.dump)}
            facts["dumps"] = {task.dump.volume.name: str(task.dump.path) for task in tasks.values()}
            facts["inputs"] = {task.dump.volume.name: fingerprint(config, task) for task in tasks.values()}

        def finish(number: int, result: Result) -> None:
            finish_volume = site.read if number in only_split else site.store
            outcomes[number] = finish_volume(tasks[number].dump, result)

        with site.job.step("read_and_store") as facts:
            read_all(config, comm, tasks, watcher, finish)
            outcome = VolumesOutcome([outcomes[number] for number in sorted(outcomes)])
            facts["failed"] = outcome.failed
        with site.job.step("write_tables") as facts:
            write_tables(site, outcome)
            facts["files"] = [str(path) for path in outcome.tsvs]
        if parts:
            publish_groups(site.job, config, site.names, parts, outcome)
        outcome.error = outcome.error or split_error or tree_error or first_tree_error(outcome) or outcome.works_error
        site.job.outcome = outcome
    return outcome


def begin_split(site: Site) -> tuple[Path | None, LurgeError | None]:
    """A folder for the parts of a split until the job ends, or the error if there can be none.

    That does not stop the report.
    """
    try:
        return site.job.keep(sole_split(site.config.split.directory)), None
    except LurgeError as error:
        log.error("the dumps are not split: %s", error.message)
        return None, error


def find_tasks(
    site: Site, wanted: Wanted, parts: Path | None, trees: Path | None
) -> tuple[dict[int, VolumeTask], dict[int, VolumeOutcome]]:
    """Tonight's tasks, and the outcomes of volumes that are not read, by their places in the configuration."""

    def make_task(number: int, dump: Dump) -> VolumeTask | VolumeOutcome:
        into = (parts / str(number) if parts else None, trees / str(number) if trees else None)
        return task_unless_stored(site, dump, wanted.force, *into)

    for volume in site.config.dumps.volumes:
        if not wanted.volumes or volume.name in wanted.volumes:
            recover(site.database, volume.name)
    tasks, outcomes = tonights_tasks(site.config, make_task, wanted.volumes)
    for outcome in outcomes.values():
        site.note(outcome)
    return tasks, outcomes


def task_unless_stored(
    site: Site, dump: Dump, force: bool, split_into: Path | None, tree_into: Path | None
) -> VolumeTask | VolumeOutcome:
    """The task of reading a dump, or the outcome that its report is stored already. Raises VolumeError."""
    stored = is_stored(site.database, dump)
    if stored and site.config.works.from_dumps:
        from lurge.pipeline.dumped_works import has_works

        stored = has_works(site.config, site.database, dump)
    if stored and split_into is None and (not force or stored_by_the_dead(site, task_of(site.config, dump))):
        log.info("%s: %s is stored already", dump.volume.name, dump.record_date)
        return VolumeOutcome(dump.volume.name, State.KNOWN, dump.record_date)
    # What is read for the split alone is not stored, and neither is its index.
    is_split_alone = stored and split_into is not None and not force
    return task_of(site.config, dump, split_into, tree_into=None if is_split_alone else tree_into)


def stored_by_the_dead(site: Site, task: VolumeTask) -> bool:
    """True if this run continues one that died, and that one had stored the same report again."""
    died = site.job.ticket.died
    context: dict[str, Any] = died["context"] if died else {}
    name = task.dump.volume.name
    state = context.get("volumes", {}).get(name, {}).get("state")
    read = context.get("steps", {}).get("find_dumps", {}).get("inputs", {}).get(name)
    return bool(state == State.STORED and read == fingerprint(site.config, task))


def fingerprint(config: Config, task: VolumeTask) -> str:
    """A digest of everything that a volume's numbers depend on: the dump, the base directories, the configuration."""
    digest = hashlib.sha256(config.file.read_bytes())
    for path in (task.dump.path, task.base_directories):
        status = path.stat()
        digest.update(f"\0{path}\0{status.st_size}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def write_tables(site: Site, outcome: VolumesOutcome) -> None:
    """Write the TSVs from the database, and put their paths and the time that it took into the outcome."""
    started = time.monotonic()
    config = site.config
    volumes = [volume.name for volume in config.dumps.volumes]
    filetypes = [filetype.name for filetype in config.filetypes]

    def write() -> Sequence[Path]:
        with site.database.reading() as connection:
            return write_reports(newest_reports(connection, volumes), config.reports.directory, volumes, filetypes)

    outcome.tsvs = list(site.database.retrying(write))
    outcome.write_seconds = time.monotonic() - started
