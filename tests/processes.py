"""The processes of one job, told by a mark in their environment: to find them all, to wait for them, to end them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import sqlalchemy as sa

from lurge.store.database import Database

MARK = "LURGE_TEST_MARK"
SECONDS_TO_END = 60


def processes_of(mark: str) -> list[int]:
    """The processes whose environment has the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def hang(process: int) -> None:
    """Stop a process, and wait until none of its threads runs: the signal alone may be overtaken by an answer."""
    os.kill(process, signal.SIGSTOP)
    ends = time.monotonic() + SECONDS_TO_END
    while not all(state_of(thread) == "T" for thread in Path(f"/proc/{process}/task").iterdir()):
        assert time.monotonic() < ends
        time.sleep(0.001)


def state_of(thread: Path) -> str:
    """The state of a thread, given its folder below /proc (proc_pid_stat(5)); T if it is stopped."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def wait_for_none(mark: str) -> None:
    """Wait until no process has the mark; fails where that takes too long."""
    ends = time.monotonic() + SECONDS_TO_END
    while left := processes_of(mark):
        assert time.monotonic() < ends, [name_of(process) for process in left]
        time.sleep(0.05)


@contextmanager
def job(mark: str, command: Sequence[str], said: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command whose processes have a mark; none of them outlives the block. said: what they print."""
    with said.open("wb") as file:
        process = subprocess.Popen(command, env={**os.environ, MARK: mark, **environment}, stdout=file, stderr=file)
    try:
        yield process
    finally:
        for left in processes_of(mark):
            os.kill(left, signal.SIGKILL)
        process.wait(SECONDS_TO_END)


def die_before(database: Database, statement: int) -> None:
    """Let this process be killed before it sends the given statement or commit to a database, from 1."""
    place = count(1)

    def before(*_: object) -> None:
        if next(place) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(database.engine, event, before)


def was_killed(target: Callable[..., None], *arguments: object) -> bool:
    """Run a function in a copy of this process; returns whether it was killed. It may end in no other way but well."""
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0
