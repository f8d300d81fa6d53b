"""The tree indexes of a job: where they are built, and publishing each with the report of its volume."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lurge.aggregate.volume import Results
from lurge.atomic import remove_abandoned, unfinished_folder
from lurge.errors import LurgeError, OutputError
from lurge.model.dump import Dump
from lurge.parallel.coordinator import Arrived
from lurge.pipeline.volumes import VolumeOutcome, VolumesOutcome
from lurge.store.tree.build import TreeIndex
from lurge.store.tree.publish import Names, manifest_of, prune, publish

if TYPE_CHECKING:
    from lurge.pipeline.site import Site

log = logging.getLogger(__name__)


def begin_trees(site: Site) -> tuple[Path | None, LurgeError | None]:
    """A folder for unfinished indexes until the job ends, or the error if there can be none; None if none are wanted.

    The error does not stop the report.
    """
    config = site.config.tree
    if not config.enabled:
        return None, None
    try:
        config.directory.mkdir(parents=True, exist_ok=True)
        remove_abandoned(config.directory)
        return site.job.keep(unfinished_folder(config.directory)), None
    except OSError as error:
        failure = OutputError.at(config.directory, error)
        log.error("no tree index is built: %s", failure.message)
        return None, failure


def publish_tree(site: Site, dump: Dump, arrived: Arrived, results: Results, outcome: VolumeOutcome) -> None:
    """Publish the index of a volume whose report is stored, if one was built; its outcome gets the folder or error."""
    for aggregate in arrived.task.aggregates:
        if isinstance(aggregate, TreeIndex):
            outcome.tree_error = arrived.report.failures.get(aggregate.name)
            if not outcome.tree_error:
                try:
                    outcome.tree = publish_index(site, dump, aggregate, results)
                except (OutputError, OSError) as problem:
                    error = problem if isinstance(problem, OutputError) else OutputError.at(aggregate.folder, problem)
                    log.error("%s: no tree index: %s", dump.volume.name, error.message)
                    outcome.tree_error = error


def publish_index(site: Site, dump: Dump, aggregate: TreeIndex, results: Results) -> Path:
    """Publish an index, and remove old ones; returns its folder. Raises OutputError."""
    totals, config = results.of(aggregate), site.config.tree
    names = Names(
        groups={gid: site.names.group(gid).name for gid in totals.gids},
        users={uid: site.names.user(uid) for uid in totals.uids},
        filetypes=[filetype.name for filetype in aggregate.filetypes],
    )
    place = publish(aggregate.folder, config.directory, manifest_of(dump, totals, names))
    removed = prune(config.directory, dump.volume.name, config.keep)
    if removed:
        log.info("%s: removed %d old tree indexes", dump.volume.name, len(removed))
    return place


def first_tree_error(outcome: VolumesOutcome) -> LurgeError | None:
    """The first error of an index."""
    return next((volume.tree_error for volume in outcome.volumes if volume.tree_error), None)
