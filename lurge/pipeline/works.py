"""Works: gathering them from trees, and loading backlogs."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lurge.atomic import whole_file
from lurge.config import Config
from lurge.config.works import WorksConfig, normal
from lurge.errors import LurgeError, OutputError, UsageError, WorksError, permission_advice
from lurge.model.works import CountRules, Observation, TreeKey, is_published
from lurge.pipeline.frame.job import Job, open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.works_outcome import KEPT, TreeOutcome, WorksOutcome
from lurge.source.backlog import BacklogRules, RejectedLine, bounded_lines, csv_field, read_backlog
from lurge.source.works import Gathered, gather
from lurge.store.database import Database
from lurge.store.database.lock import RunLock
from lurge.store.works import schema
from lurge.store.works.area import WORKS
from lurge.store.works.keys import text_of
from lurge.store.works.read import host_of
from lurge.store.works.record import LastSeen, Recorder

GATHER = Recipe("works_gather", ("gather",), WORKS)
LOAD = Recipe("works_load", ("load",), WORKS)

LONGEST_STEM = 200
"""Bytes of the name of a backlog that are kept in the name of its rejects."""

Advanced = Callable[[str, int], None]
"""Takes the path of a tree, and the works of it so far."""

log = logging.getLogger(__name__)


def rules_of(config: WorksConfig) -> CountRules:
    """The rules of counting that a site configured."""
    return CountRules(
        counts_images=config.count == "images",
        suffixes=tuple(os.fsencode(suffix.lower()) for suffix in config.image_suffixes),
        archive=os.fsencode(config.published.directory),
        share=config.published.share,
        full=config.published.full,
        web=config.published.web,
        has_sizes=config.sizes,
    )


def trees_of(config: WorksConfig, state: str | None, paths: Iterable[Path]) -> list[TreeKey]:
    """The trees to gather: those that are given, else the configured ones, without hosts. Raises UsageError."""
    given = list(paths)
    if not given:
        wanted = None if state is None else known_state(config, state)
        chosen = [tree for tree in config.trees if wanted in (None, known_state(config, tree.state))]
        if not chosen:
            raise UsageError("no tree is configured", "Name one: lurge works gather -s STATE PATH, or [[works.trees]].")
        return [TreeKey("", known_state(config, tree.state), tree.path) for tree in chosen]
    if state is None:
        raise UsageError("no state is given", "Give it: lurge works gather -s STATE PATH.")
    return [TreeKey(socket.gethostname(), known_state(config, state), normal(str(path))) for path in given]


def with_host(connection: sa.Connection, tree: TreeKey) -> TreeKey:
    """A tree with the host on which it was walked last, and else this one: nights run now here, now there."""
    return TreeKey(host_of(connection, tree.state, tree.path) or socket.gethostname(), tree.state, tree.path)


def known_state(config: WorksConfig, state: str) -> str:
    """A state as it is stored. Raises UsageError, which names the known ones."""
    for name in config.all_states:
        if name == state or (is_published(name) and is_published(state)):
            return name
    raise UsageError(f"{state!r} is not a state", f"Known are {', '.join(config.all_states)}.")


def run_gather(
    config: Config, database: Database, trees: Iterable[TreeKey], advanced: Advanced, day: date | None = None
) -> WorksOutcome:
    """Walk trees, one after another, and store each in one transaction. Raises LurgeError."""
    outcome = WorksOutcome()
    with open_job(GATHER, ticket_of(config, GATHER), database) as job:
        job.state = lambda: f"Stored: {', '.join(tree.name for tree in outcome.trees) or 'nothing'}"
        with job.step("gather") as facts:
            for tree in trees:
                if not tree.host:
                    with database.reading() as connection:
                        tree = with_host(connection, tree)
                outcome.trees.append(gather_tree(job, config.works, tree, advanced, day or datetime.now(UTC).date()))
            facts["trees"] = [tree.as_json() for tree in outcome.trees]
        job.outcome = outcome
    return outcome


def gather_tree(job: Job, config: WorksConfig, tree: TreeKey, advanced: Advanced, day: date) -> TreeOutcome:
    """Walk and store one tree."""
    outcome = TreeOutcome(tree.path, tree.state)
    try:
        result = Gathered(tree, day)
        for done, gathered in gather(tree, day, rules_of(config)):
            advanced(tree.path, done)
            result = gathered
        newest = job.database.retrying(lambda: store_tree(job.database, job.lock, config, result))
    except LurgeError as error:
        log.error("%s", error.message)
        outcome.failed = error
        return outcome
    note_gathered(outcome, result)
    if newest and newest.day > day:
        log.warning(
            "%s was seen on %s already, after %s: is the clock right? Newer counts stay", tree.path, newest, day
        )
    return outcome


def note_gathered(outcome: TreeOutcome, result: Gathered) -> None:
    """Put what was gathered into the outcome of its tree."""
    outcome.works, outcome.images = len(result.observations), sum(one.images for one in result.observations)
    outcome.problems, outcome.problem_count = result.problems[:KEPT], len(result.problems)
    for problem in outcome.problems:
        log.warning("%s", problem)


def store_tree(database: Database, lock: RunLock, config: WorksConfig, result: Gathered) -> LastSeen | None:
    """Store the observations of a tree, instead of those of the same date; returns when it was seen last before."""
    with database.writing() as connection:
        recorder = Recorder(connection, config.all_states, config.publish_states)
        newest = recorder.see_tree(result.tree, result.day, result.unread)
        recorder.add((one, result.tree.path) for one in result.observations)
        recorder.finish()
        lock.confirm()
    if newest and newest.works and not result.observations and not result.unread:
        log.warning("%s holds no works, and had %d: is its file system mounted?", result.tree.path, newest.works)
    return newest


def run_load(config: Config, database: Database, files: Iterable[Path]) -> WorksOutcome:
    """Load backlogs, each in one transaction. Raises LurgeError."""
    outcome = WorksOutcome()
    with open_job(LOAD, ticket_of(config, LOAD), database) as job:
        with job.step("load") as facts:
            for file in files:
                outcome.trees.append(load_file(job, config.works, file, str(file)))
            facts["files"] = [tree.as_json() for tree in outcome.trees]
        job.outcome = outcome
    return outcome


def load_file(job: Job, config: WorksConfig, file: Path, name: str) -> TreeOutcome:
    """Load one backlog, unless one with the same content was loaded."""
    outcome = TreeOutcome(name)
    try:
        digest = digest_of(file)
        job.database.retrying(lambda: store_backlog(job, config, file, name, digest, outcome))
    except OSError as error:
        outcome.failed = OutputError.at(Path(error.filename or file), error)
    except LurgeError as error:
        outcome.failed = error
    if outcome.failed:
        log.error("%s: %s", name, outcome.failed.message)
    return outcome


def digest_of(file: Path) -> str:
    """The SHA-256 of a file. Raises WorksError."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise WorksError(f"cannot read {file}: {error.strerror}", permission_advice(error)) from error


def rejects_of(config: WorksConfig, name: str, digest: str) -> Path:
    """The file of the rejected lines of a backlog, whose own name may be as long as a name can be."""
    stem = os.fsencode(Path(name).name)[:LONGEST_STEM].decode("utf-8", "ignore")
    return config.rejects / f"{stem}.{digest[:8]}.rejects.csv"


def store_backlog(job: Job, config: WorksConfig, file: Path, name: str, digest: str, outcome: TreeOutcome) -> None:
    """Store the observations of a backlog, and keep its rejected lines."""
    outcome.works = outcome.images = outcome.problem_count = 0
    outcome.problems = []
    web = config.published.web
    rules = BacklogRules(
        {state.casefold(): state for state in config.all_states},
        {state.casefold(): state for state in config.publish_states},
        web,
    )
    table = schema.loaded
    with job.database.writing() as connection, ExitStack() as rejects:
        if connection.execute(sa.select(table.c.name).where(table.c.content == digest)).scalar() is not None:
            outcome.is_known = True
            return
        recorder = Recorder(connection, config.all_states, config.publish_states)
        rejected: Any = None

        def observations() -> Iterator[tuple[Observation, str]]:
            nonlocal rejected
            with file.open("rb") as lines:
                for row in read_backlog(bounded_lines(lines), rules):
                    if isinstance(row, RejectedLine):
                        outcome.problem_count += 1
                        if len(outcome.problems) < KEPT:
                            outcome.problems.append(f"line {row.number}: {row.reason}")
                        if rejected is None:
                            target = rejects_of(config, name, digest)
                            target.parent.mkdir(parents=True, exist_ok=True)
                            rejected = rejects.enter_context(whole_file(target))
                        rejected.write(
                            b"%d,%s,%s\n" % (row.number, csv_field(row.reason.encode()), csv_field(row.text))
                        )
                    else:
                        outcome.images += row.images
                        yield row, row.project

        outcome.works = recorder.add(observations())
        recorder.finish()
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        values = {"content": digest, "name": text_of(name), "loaded_time": now}
        counts = {"observations": outcome.works, "rejected": outcome.problem_count}
        connection.execute(sa.insert(table), [{**values, **counts}])
        job.lock.confirm()
