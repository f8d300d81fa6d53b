"""The coordinator: hands volumes to controllers, largest first, lends idle workers, collects reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Protocol

from lurge.errors import VolumeError
from lurge.stream.comm import Comm
from lurge.stream.plan import Plan, share
from lurge.stream.protocol import Arrived, Job, Message, Problem, Tag, pack_object, unpack_arrays, unpack_object

WAIT_SECONDS = 0.5
ASSIGNMENTS = count()
"""Numbers for whatever is assigned, over all coordinators of a process: its workers remember the last."""

Result = Arrived | VolumeError


class Watcher(Protocol):
    """Who wants to see progress."""

    def started(self, volume: str, size: int) -> None:
        """A volume's dump of `size` compressed bytes is being read."""

    def advanced(self, volume: str, position: int, lines: int) -> None:
        """So many compressed bytes and lines of it were read."""

    def ended(self, volume: str, problem: str | None) -> None:
        """It was read, or failed."""


class Coordinator:
    """Rank 0's part of reading: hands every job's arrays, or the error that it met, to `arrived` with its number."""

    def __init__(
        self,
        comm: Comm,
        plan: Plan,
        jobs: Mapping[int, Job],
        watcher: Watcher,
        arrived: Callable[[int, Result], None],
        largest_first: bool = True,
    ) -> None:
        self._comm = comm
        self._jobs = jobs
        self._watcher = watcher
        by_size = sorted(jobs, key=lambda number: (-jobs[number].dump.size, number))
        self._waiting = deque(by_size if largest_first else jobs)
        self._idle = deque(plan.controllers)
        shares = share(plan.workers, len(plan.controllers))
        self._crews = dict(zip(plan.controllers, shares, strict=True))
        self._reading: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._arrived = arrived

    def run(self) -> None:
        """Read every job's dump."""
        self._hand_out()
        while self._reading:
            message = self._comm.receive(WAIT_SECONDS)
            if message is not None:
                self._handle(message)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            controller, number = self._idle.popleft(), self._waiting.popleft()
            job = self._jobs[number]
            self._reading[number] = controller
            self._started[number] = time.monotonic()
            self._watcher.started(job.dump.volume.name, job.dump.size)
            crew = self._crews[controller]
            self._comm.send(controller, Tag.VOLUME, number, next(ASSIGNMENTS), data=pack_object((job, crew)))
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
                self._comm.send(controller, Tag.LEND, number, next(ASSIGNMENTS), worker)

    def _handle(self, message: Message) -> None:
        number = message.numbers[0]
        name = self._jobs[number].dump.volume.name
        if message.tag is Tag.PROGRESS:
            self._watcher.advanced(name, *message.numbers[1:3])
            return
        result: Result
        if message.tag is Tag.REPORT:
            seconds = time.monotonic() - self._started[number]
            result = Arrived(message.numbers[1], unpack_arrays(message.data), seconds)
            self._watcher.ended(name, None)
        else:
            problem: Problem = unpack_object(message.data)
            result = problem.error
            self._watcher.ended(name, problem.error.message)
        self._idle.append(self._reading.pop(number))
        self._hand_out()
        self._arrived(number, result)
