"""Splitting tonight's dumps by group, for TreeServe, alone or beside the main job."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from lurge.config import Config
from lurge.config.split import S3Config
from lurge.enrich.identity import Names, make_identity
from lurge.errors import LurgeError, SplitError
from lurge.export.groups import SplitVolume, publish, sole_split
from lurge.logs import set_role
from lurge.parallel.comm import Comm
from lurge.parallel.coordinator import Result, Watcher
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.interrupted import told_if_interrupted
from lurge.pipeline.outcome import Outcome, State, VolumeOutcome
from lurge.pipeline.reading import read_all
from lurge.pipeline.site import check
from lurge.pipeline.ticket import JobTicket, ticket_of
from lurge.pipeline.work import problem_with, task_of
from lurge.source.finding import newest_dump

log = logging.getLogger(__name__)


def run_split(config: Config, comm: Comm | None, watcher: Watcher) -> Outcome:
    """The coordinator's whole job; the database is not needed. Raises LurgeError."""
    set_role("rank 0", "coordinator")
    ticket = ticket_of(config, "split", comm.size if comm else 1)
    with ExitStack() as stack:
        stack.enter_context(ticket.closing())
        stack.enter_context(told_if_interrupted(lambda: "Nothing was published by group: run the same command again"))
        with ticket.step("prepare"):
            parts = stack.enter_context(sole_split(config.split.directory))
            names = Names(make_identity(config.identity), config.pseudo_groups)
        outcomes: dict[int, VolumeOutcome] = {}
        tasks: dict[int, VolumeTask] = {}
        with ticket.step("find_dumps"):
            today = datetime.now(UTC).date()
            for number, volume in enumerate(config.dumps.volumes):
                try:
                    dump = newest_dump(config.dumps.directory, volume, today, config.dumps.max_days_ago)
                    tasks[number] = task_of(config, dump, parts / str(number), is_reported=False)
                except LurgeError as error:
                    outcomes[number] = problem_with(volume, error)

        def finish(number: int, result: Result) -> None:
            outcome, _ = check(config, tasks[number].dump, result)
            if outcome.split_error:
                outcome.state, outcome.error = State.FAILED, outcome.split_error
            outcomes[number] = outcome

        with ticket.step("read") as facts:
            read_all(config, comm, tasks, watcher, finish)
            outcome = Outcome([outcomes[number] for number in sorted(outcomes)])
            facts["failed"] = outcome.failed
        for one in outcome.volumes:
            ticket.note_volume(one)
        publish_groups(config, names, parts, outcome, ticket)
        ticket.close(outcome.exit_status)
    return outcome


def publish_groups(config: Config, names: Names, parts: Path, outcome: Outcome, ticket: JobTicket) -> None:
    """Publish what was split, and copy it to S3 if asked; the outcome gets the folder, or the error."""
    try:
        with ticket.step("publish_groups") as facts:
            outcome.groups = publish_whole(config, names, parts, outcome.volumes)
            facts["folder"] = str(outcome.groups)
            if config.split.s3:
                facts["files_sent"] = copy_to_s3(outcome.groups, config.split.s3)
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.error = error


def publish_whole(config: Config, names: Names, parts: Path, volumes: Sequence[VolumeOutcome]) -> Path:
    """Publish the groups; returns their folder.

    Raises SplitError where a volume failed: a group's file with a volume missing looks like a whole one.
    """
    read = [(number, one) for number, one in enumerate(volumes) if one.state in (State.READ, State.STORED)]
    failed = [one.volume for one in volumes if one.state is State.FAILED]
    unsplit = [one for one in volumes if one.split_error]
    for one in unsplit[:1]:
        raise SplitError(f"nothing is published by group: {one.volume}: {one.split_error}")
    if failed or not read:
        missing = ", ".join(failed) or "every volume"
        raise SplitError(f"nothing is published by group: {missing} could not be read")
    gids = {group.gid for _, one in read for group in one.split}
    folder = publish(
        config.split.directory,
        max(one.record_date for _, one in read if one.record_date),
        [SplitVolume(parts / str(number), one.split) for number, one in read],
        {gid: names.group(gid).name for gid in gids},
        {uid: names.user(uid) for uid in sorted({uid for _, one in read for uid in one.users})},
    )
    log.info("published %d groups as %s", len(gids), folder)
    return folder


def copy_to_s3(folder: Path, config: S3Config) -> int:
    """Copy what was published; returns how many files were sent. Raises SplitError."""
    try:
        from lurge.export.s3 import sync
    except ImportError as error:
        raise SplitError(f"split.s3 is set: {error}", "Install lurge[s3].") from error
    sent = sync(folder, config)
    log.info("%d files copied to s3://%s/%s", sent, config.bucket, config.prefix)
    return sent
