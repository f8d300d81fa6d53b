"""Processes that walk parts of a tree.

The number of processes that walk at once grows while they wait for the file system. Processes are used, not threads: on
a fast local disk the interpreter is the bottleneck, and on a slow network file system a waiting process costs as little
as a waiting thread.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from lurge.errors import ScanError
from lurge.source.compiled_walk import Walker
from lurge.source.walk import ScanOptions, UnitResult, WorkUnit

MAX_PROCESSES = 32
MAX_TEXT_WAITING = 1 << 28
MIN_BUSY_SHARE = 0.7
"""Share of CPU time in wall time. Below it, processes wait for the file system, and more of them may walk at once."""

log = logging.getLogger(__name__)


class Slot:
    """The place of a work unit in the text, and its result: None until the unit is done."""

    def __init__(self, unit: WorkUnit) -> None:
        self.unit = unit
        self.pieces: list[bytes | Slot] | None = None


class Stop:
    """A wish that a walk ends early. It wakes up the process that waits for results."""

    def __init__(self) -> None:
        self.is_wanted = False
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ask(self) -> None:
        """End the walk; may be called by a signal handler."""
        self.is_wanted = True
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """A file descriptor that becomes readable with the wish."""
        return self._event

    def close(self) -> None:
        os.close(self._event)


def _serve(connection: Connection, parent_ends: list[Connection], walker: Walker) -> None:
    """Run a walking process: receive units and send results until the other end closes.

    parent_ends: the parent's ends of all pipes. The forked process has copies, which would keep the pipes open.
    """
    for end in parent_ends:
        end.close()
    # The parent receives an interrupt from the keyboard, too, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            connection.send(walker.walk(connection.recv()))


class ProcessPool:
    """Processes that walk, as many as keep the machine busy. They are started when there is work for them."""

    def __init__(self, options: ScanOptions, processes: int) -> None:
        """processes: maximum number. Raises ScanError if none can be started."""
        # Every process has the loaded kernel of this one.
        self._walker = Walker(options)
        self._idle: list[Connection] = []
        self._processes: list[ForkProcess] = []
        self.working: dict[Connection, Slot] = {}
        self._most = processes
        self._limit = min(processes, len(os.sched_getaffinity(0)))
        self._seconds = self._busy = 0.0
        try:
            self._add()
        except OSError as error:
            raise ScanError(f"cannot start a process: {error.strerror}") from error

    def _add(self) -> None:
        context = multiprocessing.get_context("fork")
        parent_end, child_end = context.Pipe()
        parent_ends = [*self._idle, *self.working, parent_end]
        process = context.Process(target=_serve, args=(child_end, parent_ends, self._walker), daemon=True)
        try:
            process.start()
        except OSError:
            parent_end.close()
            raise
        finally:
            child_end.close()
        self._idle.append(parent_end)
        self._processes.append(process)

    @property
    def used(self) -> int:
        """The current limit of processes that walk at once."""
        return self._limit

    def give(self, waiting: list[Slot], text_waiting: int) -> None:
        """Hand out units, the last of `waiting` first.

        text_waiting: bytes of text that cannot be written yet. At MAX_TEXT_WAITING, units run one at a time.
        """
        while waiting and len(self.working) < (self._limit if text_waiting < MAX_TEXT_WAITING else 1):
            if not self._idle:
                self._add_if_possible()
                continue
            connection, slot = self._idle.pop(), waiting.pop()
            connection.send(slot.unit)
            self.working[connection] = slot

    def _add_if_possible(self) -> None:
        """Start another process; if that fails, those that run are all."""
        try:
            self._add()
        except OSError as error:
            self._limit = self._most = len(self._processes)
            log.debug("only %d processes could be started: %s", self._most, error)

    def finished(self, stop: Stop | None, seconds: float | None = None) -> Iterator[tuple[Slot, UnitResult]]:
        """Units that are done, with their results. Waits for at least one, for a wish to stop, or some seconds."""
        for ready in wait([*self.working, *([stop] if stop else ())], seconds):
            if not isinstance(ready, Connection):
                continue
            try:
                walked: UnitResult = ready.recv()
            except (EOFError, ConnectionError) as error:
                raise ScanError("a scanning process died", "Look for the reason in the system's log.") from error
            self._idle.append(ready)
            self._grow(walked)
            yield self.working.pop(ready), walked

    def _grow(self, walked: UnitResult) -> None:
        self._seconds += walked.seconds
        self._busy += walked.busy
        if self._seconds > 0.1 * self._limit:
            if self._busy < MIN_BUSY_SHARE * self._seconds and len(self.working) + 1 >= self._limit:
                self._limit = min(2 * self._limit, self._most)
            self._seconds = self._busy = 0.0

    def dismiss(self) -> None:
        """End all processes, also those that wait for a file system which does not answer."""
        for connection in [*self._idle, *self.working]:
            connection.close()
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()
