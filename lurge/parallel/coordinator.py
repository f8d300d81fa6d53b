"""The coordinator: hands volumes to controllers, largest first, lends idle workers, collects reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from lurge.aggregate.volume import Results, make_results
from lurge.errors import VolumeError
from lurge.parallel.comm import Comm
from lurge.parallel.messages import LendWorker, Message, Progress, ReadVolume, VolumeFailed, VolumeRead, VolumeTask
from lurge.parallel.plan import Plan, share

WAIT_SECONDS = 0.5
ASSIGNMENTS = count()
"""Numbers of assignments, over all coordinators of a process: its workers remember the last."""


@dataclass(frozen=True)
class Arrived:
    """A volume that was read: what was counted, how long it took, and the task of it."""

    task: VolumeTask
    report: VolumeRead = field(repr=False)
    seconds: float

    def results(self) -> Results:
        """The results of the volume's aggregates, checked. Raises ReconciliationError."""
        report = self.report
        name = self.task.dump.volume.name
        return make_results(name, report.export, report.rules, self.task.aggregates, report.lines)


Result = Arrived | VolumeError


class Watcher(Protocol):
    """An observer of progress."""

    def compiled(self, kernels: int, total: int) -> None:
        """Some of all kernels are compiled."""

    def started(self, volume: str, size: int) -> None:
        """A volume's dump of `size` compressed bytes is being read."""

    def advanced(self, volume: str, position: int, lines: int) -> None:
        """The given numbers of compressed bytes and lines of it were read."""

    def ended(self, volume: str, problem: str | None) -> None:
        """It was read, or failed."""


class Coordinator:
    """Rank 0's part of reading: hands what came of every task to `arrived`, with the task's number."""

    def __init__(
        self,
        comm: Comm,
        plan: Plan,
        tasks: Mapping[int, VolumeTask],
        watcher: Watcher,
        arrived: Callable[[int, Result], None],
        largest_first: bool = True,
    ) -> None:
        self._comm = comm
        self._tasks = tasks
        self._watcher = watcher
        by_size = sorted(tasks, key=lambda number: (-tasks[number].dump.size, number))
        self._waiting = deque(by_size if largest_first else tasks)
        self._idle = deque(plan.controllers)
        shares = share(plan.workers, len(plan.controllers))
        self._crews = dict(zip(plan.controllers, shares, strict=True))
        self._reading: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._arrived = arrived

    def run(self) -> None:
        """Read the dump of every task."""
        self._hand_out()
        while self._reading:
            received = self._comm.receive(WAIT_SECONDS)
            if received is not None:
                self._handle(received.message)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            controller, number = self._idle.popleft(), self._waiting.popleft()
            task = self._tasks[number]
            self._reading[number] = controller
            self._started[number] = time.monotonic()
            self._watcher.started(task.dump.volume.name, task.dump.size)
            crew = tuple(self._crews[controller])
            self._comm.send(controller, ReadVolume(number, next(ASSIGNMENTS), task, crew))
        if not self._waiting:
            self._lend()

    def _lend(self) -> None:
        """Give the crews of idle controllers to those that still read, the smallest crew first."""
        while self._idle and self._reading:
            crew = self._crews[self._idle.popleft()]
            while crew:
                number, controller = min(self._reading.items(), key=lambda item: (len(self._crews[item[1]]), item))
                worker = crew.pop()
                self._crews[controller].append(worker)
                self._comm.send(controller, LendWorker(number, next(ASSIGNMENTS), worker))

    def _handle(self, message: Message) -> None:
        if isinstance(message, Progress):
            name = self._tasks[message.number].dump.volume.name
            self._watcher.advanced(name, message.position, message.lines)
        elif isinstance(message, VolumeRead):
            seconds = time.monotonic() - self._started[message.number]
            self._finish(message.number, Arrived(self._tasks[message.number], message, seconds))
        elif isinstance(message, VolumeFailed):
            self._finish(message.number, message.error)

    def _finish(self, number: int, result: Result) -> None:
        problem = result.message if isinstance(result, VolumeError) else None
        self._watcher.ended(self._tasks[number].dump.volume.name, problem)
        self._idle.append(self._reading.pop(number))
        self._hand_out()
        self._arrived(number, result)
