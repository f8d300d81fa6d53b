"""Works in the dumps of a volume: which are looked for, and storing what was found.

Only a site with `works.from_dumps` imports this: it would take a report a twentieth of the time to start.
"""

from __future__ import annotations

import logging
import os

from lurge.aggregate.volume import Results
from lurge.aggregate.works import SearchedTree, Works, WorksAggregate
from lurge.config import Config
from lurge.errors import LurgeError, StoreError, WorksError
from lurge.model.dump import Dump, date_of
from lurge.model.paths import shown, without_trailing_slash
from lurge.model.works import TreeKey, is_published
from lurge.parallel.coordinator import Arrived
from lurge.pipeline.volumes import VolumeOutcome
from lurge.pipeline.works import known_state, note_gathered, rules_of, store_tree, with_host
from lurge.pipeline.works_outcome import TreeOutcome
from lurge.source.works import Gathered, Unread, named, note, settle
from lurge.store.database import Database
from lurge.store.database.lock import sole_run
from lurge.store.works.area import WORKS
from lurge.store.works.read import was_seen
from lurge.store.works.ready import need_tables

log = logging.getLogger(__name__)


def works_aggregate(config: Config, dump: Dump) -> tuple[WorksAggregate, ...]:
    """The aggregate of the trees of works that lie on a volume; empty if none does."""
    trees = trees_on(config, dump)
    if not trees:
        return ()
    searched = tuple(SearchedTree(os.fsencode(tree.path), 1 if is_published(tree.state) else 2) for tree in trees)
    return (WorksAggregate(searched, rules_of(config.works)),)


def trees_on(config: Config, dump: Dump) -> list[TreeKey]:
    """The trees that lie on the volume of a dump, still without hosts."""
    return [
        TreeKey("", known_state(config.works, tree.state), tree.path)
        for tree in config.works.trees
        if volume_of(config, tree.path) == dump.volume.name
    ]


def volume_of(config: Config, path: str) -> str | None:
    """The volume on which a path lies: that with the longest mount, because volumes are mounted in volumes."""
    mounts = {str(volume.mount).rstrip("/"): volume.name for volume in config.dumps.volumes}
    holding = [mount for mount in mounts if path.rstrip("/") == mount or path.startswith(f"{mount}/")]
    return mounts[max(holding, key=len)] if holding else None


def has_works(config: Config, database: Database, dump: Dump) -> bool:
    """True if the works of a dump are stored, or no tree lies on its volume: another job may have kept them from it."""
    trees = trees_on(config, dump)
    if not trees:
        return True
    with database.reading() as connection:
        try:
            need_tables(connection, WORKS)
        except StoreError:
            return False
        return all(was_seen(connection, tree.state, tree.path, dump.record_date) for tree in trees)


def store_works(
    config: Config, database: Database, dump: Dump, arrived: Arrived, results: Results, outcome: VolumeOutcome,
    backfilled: bool,
) -> None:  # fmt: skip
    """Store the works of a volume, if some were looked for; its outcome gets those of its trees, or the error.

    backfilled: True for an older dump, in which a tree may not be there yet.
    """
    for aggregate in arrived.task.aggregates:
        if isinstance(aggregate, WorksAggregate):
            error: LurgeError | None = arrived.report.failures.get(aggregate.name)
            try:
                if error is None:
                    outcome.works = store_trees(config, database, dump, results.of(aggregate))
                    missing = [tree.failed for tree in outcome.works if tree.failed]
                    outcome.warnings += [one.message for one in missing if backfilled]
                    error = next(iter(missing), None) if not backfilled else None
                    error = error or unread_error([tree for tree in outcome.works if tree.problems])
            except LurgeError as problem:
                error = problem
            if error:
                log.error("%s: works: %s", dump.volume.name, error.message)
            outcome.works_error = error


def unread_error(trees: list[TreeOutcome]) -> WorksError | None:
    """The error that works of some trees are not stored."""
    if not trees:
        return None
    count = sum(tree.problem_count for tree in trees)
    return WorksError(f"{count} works are not stored: {trees[0].problems[0]}", "Shorten their names.")


def store_trees(config: Config, database: Database, dump: Dump, works: Works) -> list[TreeOutcome]:
    """Store the works of each tree on a volume. Raises LurgeError if the area cannot be changed."""
    outcomes = []
    with sole_run(database, WORKS, "report") as lock:
        for number, tree in enumerate(trees_on(config, dump)):
            outcome = TreeOutcome(tree.path, tree.state)
            outcomes.append(outcome)
            try:
                with database.reading() as connection:
                    placed = with_host(connection, tree)
                gathered = gathered_of(config, dump, placed, number, works)
                database.retrying(lambda found=gathered: store_tree(database, lock, config.works, found))  # type: ignore[misc]
                note_gathered(outcome, gathered)
            except LurgeError as error:
                outcome.failed = error
    return outcomes


def gathered_of(config: Config, dump: Dump, tree: TreeKey, number: int, works: Works) -> Gathered:
    """Return the result that a walk of a tree would give. Raises WorksError if the tree is not in the dump."""
    path, published = without_trailing_slash(os.fsencode(tree.path)), is_published(tree.state)
    found = sorted(place for place in works.counts if place[0] == number)
    if not found and number not in works.roots and not any(place[0] == number for place in works.made):
        raise WorksError(f"{tree.path} is not in {dump.path}", "Correct [[works.trees]], or mount the file system.")
    gathered = Gathered(tree, dump.record_date)
    rules = rules_of(config.works)
    for place in found:
        project, _, _ = place[1].rpartition(b"/")
        dated = place if published else (number, project)
        made = date_of(works.made[dated]) if dated in works.made else None
        name = shown(path or b"/") if published else shown(project.rpartition(b"/")[2])
        work = named(place[1], name, made)
        if isinstance(work, Unread):
            gathered.add_unread(work)
        else:
            note(gathered, work, works.counts[place], rules, published)
    settle(gathered)
    return gathered


def warn_of_trees_elsewhere(config: Config) -> None:
    """Warn of trees that lie on no volume: only walking counts their works."""
    for tree in config.works.trees:
        if volume_of(config, tree.path) is None:
            log.warning("works: %s lies on none of the volumes; `lurge works gather` counts it", tree.path)
