"""Counting works by walking their trees, several works at a time.

Works are listed by this process and counted by others, each of which walks one work after another: on a slow file
system many listings are in flight. Symbolic links are never followed, and never counted.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from lurge.errors import WorksError
from lurge.model.paths import shown
from lurge.model.works import JUNK, JUNK_PREFIX, Observation, TreeKey, is_published

PROCESSES_A_CORE = 4
WAITING_A_PROCESS = 4


@dataclass(frozen=True)
class CountRules:
    """How files are counted.

    suffixes: of images, in lower case. archive, share, full, web: how the state of published works is told.
    """

    counts_images: bool
    suffixes: tuple[bytes, ...]
    archive: bytes
    share: float
    full: str
    web: str

    def is_counted(self, name: bytes) -> bool:
        """False for a file that is never counted."""
        return name not in JUNK and not name.startswith(JUNK_PREFIX)

    def is_image(self, name: bytes) -> bool:
        """True for a file that counts as an image, if it is counted."""
        return not self.counts_images or name.lower().endswith(self.suffixes)

    def publish_state(self, files: int, archived: int, has_archive: bool) -> str:
        """The state of a published work. archived: files of the directories directly inside its archive."""
        return self.full if has_archive and archived >= self.share * files else self.web


@dataclass(frozen=True)
class Work:
    """A work that is to be counted."""

    path: bytes
    project: str
    name: str
    create_date: date | None


@dataclass
class Count:
    """The counts of one work. newest: Unix seconds of the newest mtime; None without a file."""

    images: int = 0
    files: int = 0
    bytes: int = 0
    newest: int | None = None
    archived: int = 0
    has_archive: bool = False


@dataclass
class Gathered:
    """The observations of one tree. problems: of works that could not be read whole, each with its path."""

    tree: TreeKey
    day: date
    observations: list[Observation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unread: set[tuple[str, str]] = field(default_factory=set)


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
                        status = entry.stat(follow_symlinks=False)
                        total.files += 1
                        total.images += rules.is_image(entry.name)
                        total.archived += is_archived
                        total.bytes += status.st_size
                        newest = int(status.st_mtime // 1)
                        total.newest = newest if total.newest is None else max(total.newest, newest)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
        except OSError as error:
            return f"{shown(os.fsencode(error.filename or directory))}: {error.strerror}"
    return total


def list_works(path: bytes, published: bool) -> Iterator[Work | str]:
    """The works of a tree, or the problem of a project that cannot be read. Raises WorksError for the tree itself."""
    for project, made in folders(path, is_tree=True):
        if published:
            yield Work(project, shown(path), shown(base_name(project)), made)
            continue
        try:
            for work, _ in folders(project, is_tree=False):
                yield Work(work, shown(base_name(project)), shown(base_name(work)), made)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{shown(project)}: {error.strerror}"


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
    if not Path(tree.path).is_dir():
        raise WorksError(f"{tree.path} is not a directory", "Correct the path, or mount the file system.")
    result = Gathered(tree, day)
    listed = list_works(path, published)
    processes = PROCESSES_A_CORE * len(os.sched_getaffinity(0))
    running: dict[Future[Count | str | None], Work] = {}
    done = 0
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
        while True:
            while len(running) < WAITING_A_PROCESS * processes:
                work = next(listed, None)
                if work is None:
                    break
                if isinstance(work, str):
                    result.problems.append(work)
                else:
                    running[pool.submit(count_work, work.path, rules)] = work
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                note(result, running.pop(future), future.result(), rules, published)
                done += 1
            yield done, result
    result.observations.sort(key=lambda one: (one.project, one.work))
    yield done, result


def note(result: Gathered, work: Work, count: Count | str | None, rules: CountRules, published: bool) -> None:
    """Add what was counted of a work to a result."""
    if isinstance(count, str):
        result.problems.append(count)
        result.unread.add((work.project, work.name))
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
