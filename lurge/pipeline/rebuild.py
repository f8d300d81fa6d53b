"""Rebuilding tree indexes from the dumps of one date."""

from __future__ import annotations

from datetime import date

from lurge.config import Config
from lurge.enrich.identity import Names, make_identity
from lurge.logs import set_role
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Arrived, Result, Watcher
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.reading import read_all
from lurge.pipeline.site import check
from lurge.pipeline.tonight import dump_of, tasks_of
from lurge.pipeline.trees import first_tree_error, folder_for_trees, publish_tree
from lurge.pipeline.volumes import State, VolumesOutcome, note_volume
from lurge.pipeline.work import task_of

REBUILD = Recipe("backfill_tree", ("prepare", "find_dumps", "read_and_publish"))


def run_rebuild(config: Config, comm: Comm | None, watcher: Watcher, day: date) -> VolumesOutcome:
    """The coordinator's whole job: build the index of every volume that has a dump of a date, without the database.

    An index of that date that exists is replaced. Raises LurgeError.
    """
    set_role("rank 0", "coordinator")
    with open_job(REBUILD, ticket_of(config, REBUILD, comm.size if comm else 1), watcher=watcher) as job:
        job.state = lambda: "Every index is as it was before, or whole: run the same command again"
        with job.step("prepare"):
            folder = folder_for_trees(job, config.tree)
            names = Names(make_identity(config.identity), config.pseudo_groups)
        with job.step("find_dumps") as facts:
            tasks, outcomes = tasks_of(
                config,
                lambda volume: dump_of(config, volume, day),
                lambda number, dump: task_of(config, dump, is_reported=False, tree_into=folder / str(number)),
            )
            facts["dumps"] = {task.dump.volume.name: str(task.dump.path) for task in tasks.values()}

        def finish(number: int, result: Result) -> None:
            dump = tasks[number].dump
            outcome, results = check(config, dump, result)
            if results and isinstance(result, Arrived):
                publish_tree(config.tree, names, dump, result, results, outcome)
                if outcome.tree_error:
                    outcome.state, outcome.error = State.FAILED, outcome.tree_error
            outcomes[number] = outcome

        with job.step("read_and_publish") as facts:
            read_all(config, comm, tasks, watcher, finish)
            outcome = VolumesOutcome([outcomes[number] for number in sorted(outcomes)])
            facts["failed"] = outcome.failed
        for volume_outcome in outcome.volumes:
            note_volume(job.ticket, volume_outcome)
        outcome.error = first_tree_error(outcome)
        job.outcome = outcome
    return outcome
