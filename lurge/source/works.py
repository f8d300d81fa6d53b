"""Counting works by walking their trees, several works at a time.

Works are listed by this process and counted by others, each of which walks one work after another: on a slow file
system many listings are in flight. Symbolic links are never followed, and never counted.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from lurge.errors import WorksError
from lurge.model.paths import shown
from lurge.model.works import LONGEST_NAME, Count, CountRules, Observation, TreeKey, is_published

PROCESSES_A_CORE = 4
WAITING_A_PROCESS = 4
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Work:
    """A work that is to be counted."""

    path: bytes
    project: str
    name: str
    create_date: date | None


@dataclass(frozen=True)
class Unread:
    """A project, or a work, that cannot be read. work: None for all of the project."""

    project: str
    work: str | None
    problem: str


@dataclass
class Gathered:
    """The observations of one tree. problems: of what could not be read whole, each with its path.

    unread: (project, work) of it; the work is None for a whole project.
    """

    tree: TreeKey
    day: date
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unread: set[tuple[str, str | None]] = field(default_factory=set)

    def add_unread(self, unread: Unread) -> None:
        """Note what could not be read."""
        self.problems.append(unread.problem)
        self.unread.add((unread.project, unread.work))


def count_work(path: bytes, rules: CountRules) -> Count | str | None:
    """Count one work; None if it is not there any more, the problem if it cannot be read whole."""
    total = Count()
    archive = path + b"/" + rules.archive
    waiting = [(path, False)]
    while waiting:
        directory, is_archived = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        inside = is_archived or directory == archive
                        total.has_archive = total.has_archive or entry.path == archive
                        waiting.append((entry.path, inside))
                    elif entry.is_file(follow_symlinks=False) and rules.is_counted(entry.name):
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        total.add(int(rules.is_image(entry.name)), 1, status.st_size, int(is_archived))
                        total.see(status.st_mtime_ns // 10**9)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
        except OSError as error:
            return f"{shown(os.fsencode(error.filename or directory))}: {error.strerror}"
    return total


def list_works(path: bytes, published: bool) -> Iterator[Work | Unread]:
    """The works of a tree, and what cannot be read. Raises WorksError for the tree itself."""
    for project, made in folders(path, is_tree=True):
        if published:
            yield named(project, shown(path), made)
            continue
        name = shown(base_name(project))
        try:
            works = folders(project, is_tree=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Unread(name, None, f"{shown(project)}: {error.strerror}")
            continue
        for work, _ in works:
            yield named(work, name, made)


def named(path: bytes, project: str, made: date | None) -> Work | Unread:
    """A work, if its names can be stored."""
    name = shown(base_name(path))
    if len(name) > LONGEST_NAME or len(project) > LONGEST_NAME:
        return Unread(project, name, f"{shown(path)}: names of more than {LONGEST_NAME} characters are not stored")
    return Work(path, project, name, made)


def folders(path: bytes, is_tree: bool) -> list[tuple[bytes, date | None]]:
    """The directories in a directory, sorted, with the dates of their ctimes. Raises WorksError for a whole tree."""
    found: list[tuple[bytes, date | None]] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    try:
                        changed = entry.stat(follow_symlinks=False).st_ctime
                    except FileNotFoundError:
                        continue
                    found.append((entry.path, datetime.fromtimestamp(changed, UTC).date()))
    except OSError as error:
        if is_tree:
            raise WorksError(f"{shown(path)}: {error.strerror}", "Correct the path or its permissions.") from error
        raise
    return sorted(found)


def gather(tree: TreeKey, day: date, rules: CountRules) -> Iterator[tuple[int, Gathered]]:
    """Count all works of a tree; yields the number of works so far, and at the end the whole result.

    Raises WorksError if the tree cannot be opened.
    """
    path, published = os.fsencode(tree.path), is_published(tree.state)
    before = identity_of(path)
    result = Gathered(tree, day)
    listed = list_works(path, published)
    processes = PROCESSES_A_CORE * len(os.sched_getaffinity(0))
    running: dict[Future[Count | str | None], Work] = {}
    done = 0
    try:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), end_with_parent) as pool:
            while True:
                while len(running) < WAITING_A_PROCESS * processes:
                    work = next(listed, None)
                    if work is None:
                        break
                    if isinstance(work, Unread):
                        result.add_unread(work)
                    else:
                        running[pool.submit(count_work, work.path, rules)] = work
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    note(result, running.pop(future), future.result(), rules, published)
                    done += 1
                yield done, result
    except BrokenProcessPool as error:
        raise WorksError(f"{shown(path)}: a process that counted was ended from outside") from error
    if identity_of(path) != before:
        raise WorksError(f"{shown(path)} was exchanged while it was read", "Gather again once it is mounted.")
    result.observations.sort(key=lambda one: (one.project, one.work))
    yield done, result


def identity_of(path: bytes) -> tuple[int, int]:
    """The device and inode of a directory. Raises WorksError if it cannot be opened."""
    try:
        status = os.stat(path)  # noqa: PTH116  a path of bytes
    except OSError as error:
        raise WorksError(f"{shown(path)}: {error.strerror}", "Correct the path, or mount the file system.") from error
    if not stat.S_ISDIR(status.st_mode):
        raise WorksError(f"{shown(path)} is not a directory", "Correct the path, or mount the file system.")
    return status.st_dev, status.st_ino


def end_with_parent() -> None:
    """Let the kernel end this process when the one that started it ends: it holds copies of its locks."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def note(result: Gathered, work: Work, count: Count | str | None, rules: CountRules, published: bool) -> None:
    """Add what was counted of a work to a result."""
    if isinstance(count, str):
        result.add_unread(Unread(work.project, work.name, count))
    elif count is not None:
        state = rules.publish_state(count.files, count.archived, count.has_archive) if published else None
        result.observations.append(
            Observation(
                result.day, result.tree.host, work.project, work.name, work.create_date, result.tree.state, state,
                count.images, count.files, count.bytes, count.newest,
            )
        )  # fmt: skip


def base_name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
