"""Splitting tonight's dumps by group, for TreeServe: as a job of its own, or as a part of the main job."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from lurge.config import Config
from lurge.config.split import S3Config
from lurge.enrich.identity import Names, make_identity
from lurge.errors import LurgeError, SplitError
from lurge.export.groups import SplitVolume, publish, sole_split
from lurge.logs import set_role
from lurge.model.dump import Dump
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.frame.job import Job, open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.reading import read_all
from lurge.pipeline.site import check
from lurge.pipeline.tonight import tonights_tasks
from lurge.pipeline.volumes import State, VolumeOutcome, VolumesOutcome, note_volume
from lurge.pipeline.work import task_of

log = logging.getLogger(__name__)


SPLIT = Recipe("split", ("prepare", "find_dumps", "read", "publish_groups"))


def run_split(config: Config, comm: Comm | None, watcher: Watcher) -> VolumesOutcome:
    """The coordinator's whole job; the database is not needed. Raises LurgeError."""
    set_role("rank 0", "coordinator")
    with open_job(SPLIT, ticket_of(config, SPLIT, comm.size if comm else 1), watcher=watcher) as job:
        job.state = lambda: "Nothing was published by group: run the same command again"
        with job.step("prepare"):
            parts = job.keep(sole_split(config.split.directory))
            names = Names(make_identity(config.identity), config.pseudo_groups)
        with job.step("find_dumps"):
            tasks, outcomes = tonights_tasks(config, lambda number, dump: split_task(config, dump, parts, number))

        def finish(number: int, result: Result) -> None:
            outcome, _ = check(config, tasks[number].dump, result)
            if outcome.split_error:
                outcome.state, outcome.error = State.FAILED, outcome.split_error
            outcomes[number] = outcome

        with job.step("read") as facts:
            read_all(config, comm, tasks, watcher, finish)
            outcome = VolumesOutcome([outcomes[number] for number in sorted(outcomes)])
            facts["failed"] = outcome.failed
        for volume in outcome.volumes:
            note_volume(job.ticket, volume)
        publish_groups(job, config, names, parts, outcome)
        job.outcome = outcome
    return outcome


def split_task(config: Config, dump: Dump, parts: Path, number: int) -> VolumeTask:
    """The task of splitting a dump and nothing else."""
    return task_of(config, dump, parts / str(number), is_reported=False)


def publish_groups(job: Job, config: Config, names: Names, parts: Path, outcome: VolumesOutcome) -> None:
    """Publish the lines of each group, and copy them to S3 if asked; the outcome gets the folder, or the error."""
    try:
        with job.step("publish_groups") as facts:
            outcome.groups = publish_whole(config, names, parts, outcome.volumes)
            facts["folder"] = str(outcome.groups)
            if config.split.s3:
                facts["files_sent"] = copy_to_s3(outcome.groups, config.split.s3)
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.error = error


def publish_whole(config: Config, names: Names, parts: Path, volumes: Sequence[VolumeOutcome]) -> Path:
    """Publish the groups; returns their folder.

    Raises SplitError if a volume failed: nobody could see that a group's file lacks the lines of that volume.
    """
    read = [(number, volume) for number, volume in enumerate(volumes) if volume.state in (State.READ, State.STORED)]
    failed = [volume.volume for volume in volumes if volume.state is State.FAILED]
    for volume in volumes:
        if volume.split_error:
            raise SplitError(f"nothing is published by group: {volume.volume}: {volume.split_error}")
    if failed or not read:
        missing = ", ".join(failed) or "every volume"
        raise SplitError(f"nothing is published by group: {missing} could not be read")
    gids = {group.gid for _, volume in read for group in volume.split}
    folder = publish(
        config.split.directory,
        max(volume.record_date for _, volume in read if volume.record_date),
        [SplitVolume(parts / str(number), volume.split) for number, volume in read],
        {gid: names.group(gid).name for gid in gids},
        {uid: names.user(uid) for uid in sorted({uid for _, volume in read for uid in volume.users})},
    )
    log.info("published %d groups as %s", len(gids), folder)
    return folder


def copy_to_s3(folder: Path, config: S3Config) -> int:
    """Copy a published folder; returns the number of files that were sent. Raises SplitError."""
    try:
        from lurge.export.s3 import sync
    except ImportError as error:
        raise SplitError(f"split.s3 is set: {error}", "Install lurge[s3].") from error
    sent = sync(folder, config)
    log.info("%d files copied to s3://%s/%s", sent, config.bucket, config.prefix)
    return sent
