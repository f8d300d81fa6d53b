"""The tree indexes of a job: where they are built, and publishing each with the report of its volume."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lurge.aggregate.volume import Results
from lurge.atomic import remove_abandoned, unfinished_folder
from lurge.config.tree import TreeConfig
from lurge.enrich.identity import Names
from lurge.errors import LurgeError, OutputError
from lurge.model.dump import Dump
from lurge.parallel.coordinator import Arrived
from lurge.pipeline.frame.job import Job
from lurge.pipeline.volumes import VolumeOutcome, VolumesOutcome
from lurge.store.tree.build import TreeIndex
from lurge.store.tree.publish import Names as IndexNames
from lurge.store.tree.publish import manifest_of, prune, publish

if TYPE_CHECKING:
    from lurge.pipeline.site import Site

log = logging.getLogger(__name__)


def begin_trees(site: Site) -> tuple[Path | None, LurgeError | None]:
    """A folder for unfinished indexes until the job ends, or the error if there can be none; None if none are wanted.

    The error does not stop the report.
    """
    if not site.config.tree.enabled:
        return None, None
    try:
        return folder_for_trees(site.job, site.config.tree), None
    except OutputError as error:
        log.error("no tree index is built: %s", error.message)
        return None, error


def folder_for_trees(job: Job, config: TreeConfig) -> Path:
    """A folder for unfinished indexes until the job ends. Raises OutputError."""
    try:
        config.directory.mkdir(parents=True, exist_ok=True)
        remove_abandoned(config.directory)
        return job.keep(unfinished_folder(config.directory))
    except OSError as error:
        raise OutputError.at(config.directory, error) from error


def publish_tree(
    tree: TreeConfig, names: Names, dump: Dump, arrived: Arrived, results: Results, outcome: VolumeOutcome
) -> None:
    """Publish the index of a volume, if one was built; its outcome gets the folder or the error."""
    for aggregate in arrived.task.aggregates:
        if isinstance(aggregate, TreeIndex):
            outcome.tree_error = arrived.report.failures.get(aggregate.name)
            if not outcome.tree_error:
                try:
                    outcome.tree = publish_index(tree, names, dump, aggregate, results)
                except (OutputError, OSError) as problem:
                    error = problem if isinstance(problem, OutputError) else OutputError.at(aggregate.folder, problem)
                    log.error("%s: no tree index: %s", dump.volume.name, error.message)
                    outcome.tree_error = error


def publish_index(tree: TreeConfig, names: Names, dump: Dump, aggregate: TreeIndex, results: Results) -> Path:
    """Publish an index; returns its folder. Raises OutputError."""
    totals = results.of(aggregate)
    of_index = IndexNames(
        groups={gid: names.group(gid).name for gid in totals.gids},
        users={uid: names.user(uid) for uid in totals.uids},
        filetypes=[filetype.name for filetype in aggregate.filetypes],
    )
    return publish(aggregate.folder, tree.directory, manifest_of(dump, totals, of_index))


def prune_trees(config: TreeConfig, volume: str) -> None:
    """Remove old indexes of a volume."""
    removed = prune(config.directory, volume, config.keep)
    if removed:
        log.info("%s: removed %d old tree indexes", volume, len(removed))


def first_tree_error(outcome: VolumesOutcome) -> LurgeError | None:
    """The first error of an index."""
    return next((volume.tree_error for volume in outcome.volumes if volume.tree_error), None)
