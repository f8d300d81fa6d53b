"""Counting works by walking their trees, several works at a time.

Works are listed by one thread and counted by others, each of which walks one work after another: on a slow file system
many listings are in flight. Symbolic links are never followed, and never counted.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice, pairwise
from queue import SimpleQueue

import numpy as np

from lurge.errors import WorksError
from lurge.kernels.system import GONE
from lurge.kernels.walk_works import MORE_ROOM, NEXT, PATH_LENGTH, ROW_COLUMNS, new_walk, walk_works, with_room
from lurge.kernels.works import LEAST, known_names
from lurge.model.dump import date_of
from lurge.model.paths import shown
from lurge.model.stored import LARGEST
from lurge.model.works import LONGEST_NAME, Count, CountRules, Observation, TreeKey, is_published

LEAST_THREADS, THREADS_A_CORE, MOST_THREADS, WAITING_A_THREAD, MOST_AT_ONCE = 32, 4, 128, 16, 64
NANOSECONDS = 10**9

Counted = Count | str | None
"""The count of a work; None if it is not there any more, the problem if it cannot be read whole."""


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


class Walker:
    """Counts works in one thread, without the interpreter's lock."""

    def __init__(self, rules: CountRules) -> None:
        self._wanted = not rules.counts_images, rules.has_sizes
        self._known = known_names(rules)
        self._walk = new_walk()

    def count(self, paths: Sequence[bytes]) -> list[Counted]:
        """Count works, each as `Counted` says."""
        text = np.frombuffer(b"\0".join([*paths, b""]), np.uint8)
        starts = np.cumsum([0, *(len(path) + 1 for path in paths[:-1])], dtype=np.int64)
        rows = np.zeros((len(paths), ROW_COLUMNS), np.int64)
        problems: dict[int, str] = {}
        self._walk.state[NEXT] = 0
        while result := walk_works(*self._wanted, text, starts, rows, *self._known, *self._walk):
            if result == MORE_ROOM:
                self._walk = with_room(self._walk)
                continue
            number = int(self._walk.state[NEXT]) - 1
            below = self._walk.path[: self._walk.state[PATH_LENGTH]].tobytes()
            at = b"/".join([paths[number], below]) if below else paths[number]
            problems[number] = f"{shown(at)}: {os.strerror(result)}"
        return [
            problems[number] if number in problems else count_of(path, row)
            for number, (path, row) in enumerate(zip(paths, rows.tolist(), strict=True))
        ]


def count_of(path: bytes, row: list[int]) -> Count | None:
    """The count of a work from a row of the kernel; None if it is not there any more."""
    images, files, high, low, newest, archived, has_archive, was_lost, problem = row
    if problem == GONE or (was_lost and not os.path.lexists(path)):
        return None
    count = Count(has_archive=bool(has_archive))
    count.add(images, files, (high << 32) + low, archived)
    if newest != LEAST:
        count.see(newest)
    return count


class Crew:
    """Threads that count works. They end with the process, even if a file system does not answer one of them."""

    def __init__(self, rules: CountRules) -> None:
        self._waiting: SimpleQueue[list[Work]] = SimpleQueue()
        self._done: SimpleQueue[list[tuple[Work, Counted]] | BaseException] = SimpleQueue()
        self.size = min(max(LEAST_THREADS, THREADS_A_CORE * len(os.sched_getaffinity(0))), MOST_THREADS)
        for _ in range(self.size):
            threading.Thread(target=self._count, args=(rules,), daemon=True).start()

    def _count(self, rules: CountRules) -> None:
        walker = Walker(rules)
        while works := self._waiting.get():
            try:
                self._done.put(list(zip(works, walker.count([work.path for work in works]), strict=True)))
            except BaseException as error:
                self._done.put(error)

    def give(self, works: list[Work]) -> None:
        """Give works to whichever thread is free next."""
        self._waiting.put(works)

    def take(self) -> list[tuple[Work, Counted]]:
        """Wait for the next works that are counted."""
        counted = self._done.get()
        if isinstance(counted, BaseException):
            raise counted
        return counted

    def end(self) -> None:
        """Let the threads end."""
        for _ in range(self.size):
            self._waiting.put([])


def list_works(path: bytes, published: bool) -> Iterator[Work | Unread]:
    """The works of a tree, and what cannot be read. Raises WorksError for the tree itself."""
    try:
        projects = folders(path)
    except OSError as error:
        raise WorksError(f"{shown(path)}: {error.strerror}", "Correct the path or its permissions.") from error
    for project in projects:
        name = shown(base_name(project))
        try:
            made = date_of(os.lstat(project).st_ctime_ns // NANOSECONDS)
            works = [] if published else folders(project)
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = f"{shown(project)}: {error.strerror}"
            yield Unread(shown(path), name, problem) if published else Unread(name, None, problem)
            continue
        if published:
            yield named(project, shown(path), made)
        for work in works:
            yield named(work, name, made)


def named(path: bytes, project: str, made: date | None) -> Work | Unread:
    """A work, if its names can be stored."""
    name = shown(base_name(path))
    if len(name) > LONGEST_NAME or len(project) > LONGEST_NAME:
        return Unread(project, name, f"{shown(path)}: names of more than {LONGEST_NAME} characters are not stored")
    return Work(path, project, name, made)


def folders(path: bytes) -> list[bytes]:
    """The directories in a directory, sorted. Raises OSError."""
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def gather(tree: TreeKey, day: date, rules: CountRules) -> Iterator[tuple[int, Gathered]]:
    """Count all works of a tree; yields the number of works so far, and at the end the whole result.

    Raises WorksError if the tree cannot be opened.
    """
    path, published = os.fsencode(tree.path), is_published(tree.state)
    before = identity_of(path)
    result = Gathered(tree, day)
    listed = readable(list_works(path, published), result)
    crew, given, done = Crew(rules), 0, 0
    try:
        while True:
            while given - done < WAITING_A_THREAD * crew.size:
                # Many works at once cost less, few are shared better: the first ones are single.
                works = list(islice(listed, min(1 + given // (4 * crew.size), MOST_AT_ONCE)))
                if not works:
                    break
                crew.give(works)
                given += len(works)
            if given == done:
                break
            for work, count in crew.take():
                note(result, work, count, rules, published)
                done += 1
            yield done, result
    finally:
        crew.end()
    if identity_of(path) != before:
        raise WorksError(f"{shown(path)} was exchanged while it was read", "Gather again once it is mounted.")
    settle(result)
    yield done, result


def settle(result: Gathered) -> None:
    """Sort the observations. Works whose names are shown alike cannot be told apart: none of them is stored."""
    result.observations.sort(key=lambda one: (one.project, one.work))
    alike = {(one.project, one.work) for one, other in pairwise(result.observations) if one[2:4] == other[2:4]}
    for project, work in sorted(alike):
        result.add_unread(Unread(project, work, f"{project}: several directories are shown as {work}"))
    result.observations = [one for one in result.observations if (one.project, one.work) not in alike]


def readable(listed: Iterator[Work | Unread], result: Gathered) -> Iterator[Work]:
    """The works of a list; what cannot be read is noted in the result."""
    for one in listed:
        if isinstance(one, Unread):
            result.add_unread(one)
        else:
            yield one


def identity_of(path: bytes) -> tuple[int, int]:
    """The device and inode of a directory. Raises WorksError if it cannot be opened."""
    try:
        status = os.stat(path)  # noqa: PTH116  a path of bytes
    except OSError as error:
        raise WorksError(f"{shown(path)}: {error.strerror}", "Correct the path, or mount the file system.") from error
    if not stat.S_ISDIR(status.st_mode):
        raise WorksError(f"{shown(path)} is not a directory", "Correct the path, or mount the file system.")
    return status.st_dev, status.st_ino


def note(result: Gathered, work: Work, count: Count | str | None, rules: CountRules, published: bool) -> None:
    """Add what was counted of a work to a result."""
    if isinstance(count, str):
        result.add_unread(Unread(work.project, work.name, count))
    elif count is not None:
        state = rules.publish_state(count.files, count.archived, count.has_archive) if published else None
        result.observations.append(
            Observation(
                result.day, result.tree.host, work.project, work.name, work.create_date, result.tree.state, state,
                count.images, count.files,
                *((min(count.bytes, LARGEST), count.newest) if rules.has_sizes else (None, None)),
            )
        )  # fmt: skip


def base_name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]
