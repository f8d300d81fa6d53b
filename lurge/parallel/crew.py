"""Crews of sinks: the workers of a volume when all is read, or threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

from lurge.aggregate.interface import Part
from lurge.parallel.comm import Comm
from lurge.parallel.parts import DoPart, PartDone, done_part

PARTS_IN_FLIGHT = 2
"""While a worker does one part, the next is on its way."""

NUMBERS = count()
"""Unlike any of an earlier crew: a late result of that one is never taken for one of this."""


class WorkerCrew:
    """Workers that have handed over their tallies, and their controller: it does parts while it would wait."""

    def __init__(self, comm: Comm, workers: Iterable[int]) -> None:
        self._comm = comm
        self._in_flight = {worker: set[int]() for worker in workers}
        self._waiting: deque[DoPart] = deque()
        self._done: dict[int, PartDone] = {}
        self.size = len(self._in_flight) + 1

    def begin(self, part: Part) -> int:
        """See `Crew`."""
        number = next(NUMBERS)
        self._waiting.append(DoPart(number, part))
        self._look(0)
        return number

    def result(self, number: int) -> Any:
        """See `Crew`."""
        while number not in self._done:
            if self._waiting:
                own = self._waiting.popleft()
                self._done[own.number] = done_part(self._comm, own)
            self._look(0 if self._waiting or number in self._done else 0.1)
        done = self._done.pop(number)
        if done.error:
            raise done.error
        return done.result

    def _look(self, timeout: float) -> None:
        """Take the results that have come, and hand out parts. Any other message is late."""
        received = self._comm.receive(timeout)
        while received is not None:
            worker, message = received
            if isinstance(message, PartDone) and message.number in self._in_flight.get(worker, ()):
                self._in_flight[worker].remove(message.number)
                self._done[message.number] = message
            received = self._comm.receive(0)
        for worker, numbers in self._in_flight.items():
            while self._waiting and len(numbers) < PARTS_IN_FLIGHT:
                numbers.add(self._waiting[0].number)
                self._comm.send(worker, self._waiting.popleft())


class ThreadCrew:
    """Threads of this process, until `close`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = ThreadPoolExecutor(size, "part")
        self._begun: dict[int, Future[Any]] = {}

    def begin(self, part: Part) -> int:
        """See `Crew`."""
        number = next(NUMBERS)
        self._begun[number] = self._threads.submit(part.run, lambda: False)
        return number

    def result(self, number: int) -> Any:
        """See `Crew`."""
        return self._begun.pop(number).result()

    def close(self) -> None:
        """Begin nothing more."""
        self._threads.shutdown(cancel_futures=True)
