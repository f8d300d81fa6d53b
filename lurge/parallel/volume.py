"""A controller's work on one volume: give blocks to workers that ask, merge what they hand over, feed the sinks."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from lurge.aggregate.interface import Crew, Sink
from lurge.aggregate.volume import Pass, VolumeExport
from lurge.errors import VolumeError
from lurge.parallel.blocks import Batch
from lurge.parallel.comm import Comm, Received
from lurge.parallel.crew import WorkerCrew
from lurge.parallel.memory import give_back
from lurge.parallel.messages import (
    Ask,
    Blocks,
    HandOver,
    LendWorker,
    Portions,
    Prepare,
    Progress,
    SharedBlocks,
    Tallies,
    VolumeRead,
    VolumeTask,
    WorkFailed,
)
from lurge.parallel.plan import COORDINATOR
from lurge.parallel.reader import Reader
from lurge.parallel.shared import SharedMemory, Text

PROGRESS_SECONDS = 0.2

log = logging.getLogger(__name__)


class Sinks:
    """The sinks of a volume. One that fails ends the portions of its aggregate, but not the reading of the volume."""

    def __init__(self, task: VolumeTask) -> None:
        self._open: dict[str, Sink[Any]] = {}
        self.failures: dict[str, VolumeError] = {}
        for aggregate in task.aggregates:
            with self._surviving(aggregate.name):
                if sink := aggregate.open_sink():
                    self._open[aggregate.name] = sink

    @property
    def are_full(self) -> bool:
        """True if portions should come before more lines are handed out."""
        return any(sink.is_full for sink in self._open.values())

    def add(self, first_line: int, lines: int, portions: Mapping[str, Any]) -> None:
        """Hand on the portions of some lines."""
        for name, portion in portions.items():
            if sink := self._open.get(name):
                with self._surviving(name):
                    sink.add(first_line, lines, portion)

    def finish(self, export: VolumeExport, crew: Crew) -> VolumeExport:
        """The export as it travels, without aggregates whose sinks failed."""
        tallies = dict(export.tallies)
        for name, sink in list(self._open.items()):
            with self._surviving(name):
                tallies[name] = sink.finish(tallies[name], crew)
        for name in self.failures:
            tallies.pop(name, None)
        return VolumeExport(export.counted, tallies)

    @contextmanager
    def _surviving(self, name: str) -> Iterator[None]:
        try:
            yield
        except VolumeError as error:
            log.error("%s: no more of it is written: %s", name, error.message)
            # A copy: the traceback of the error would keep files and memory of the sink.
            self.failures[name] = VolumeError(error.message, error.advice)
            self._open.pop(name, None)


class VolumeWork:
    """The work on one volume, from its first block to its report.

    crew: the network of the workers, which is the job's or one of threads; report_to: the job's.
    """

    def __init__(
        self, number: int, task: VolumeTask, reader: Reader, memory: SharedMemory | None, crew: Comm, report_to: Comm
    ) -> None:
        self._number = number
        self._reader = reader
        self._memory = memory
        self._crew = crew
        self._report_to = report_to
        self._aggregates = task.aggregates
        self._sinks = Sinks(task)
        self._merged = Pass(reader.rules, task.aggregates)
        self._assigned: dict[int, int] = {}
        """The assignment of each worker that has not handed over yet."""
        self._free: list[int] = []
        """Workers that have handed over."""
        self._asking: deque[tuple[int, bool]] = deque()
        """Workers that wait for blocks, and whether they see the shared memory."""
        self._lent: defaultdict[int, deque[Text]] = defaultdict(partial(deque))
        """Text that each worker has not read yet, which must not change."""
        self._shown = 0.0

    def enlist(self, worker: int, assignment: int) -> None:
        """Prepare one more worker."""
        self._assigned[worker] = assignment
        place = self._memory.place if self._memory else None
        self._crew.send(worker, Prepare(assignment, self._reader.rules, self._aggregates, place))

    def run(self) -> VolumeRead:
        """Read the whole volume; returns its report. Raises what failed."""
        self._give_out()
        self._gather()
        # Sinks need memory, too.
        if self._memory:
            self._memory.empty()
        give_back()
        with self._reader.stages("finish"):
            export = self._sinks.finish(self._merged.export(), WorkerCrew(self._crew, self._free))
        give_back()
        seconds = dict(self._reader.stages.seconds)
        return VolumeRead(self._number, self._reader.lines, self._reader.rules, export, self._sinks.failures, seconds)

    def _give_out(self) -> None:
        """Hand every batch to a worker that asks. While all are busy and the reader waits, read one here."""
        batch: Batch | None = None
        while batch is not None or not self._reader.ended:
            if batch is None:
                batch = self._reader.take(self._crew.patience)
            self._handle_all(wait=batch is not None and self._must_wait)
            if batch is not None and not self._must_wait:
                if self._asking:
                    with self._reader.stages("send"):
                        self._send(batch)
                else:
                    self._read(batch)
                batch = None
            self._show_progress()

    @property
    def _must_wait(self) -> bool:
        """True if nobody should read a batch now."""
        return self._sinks.are_full or not (self._asking or self._reader.is_ahead)

    def _read(self, batch: Batch) -> None:
        """Read a batch as a worker does, on the core where the reader waits."""
        with self._reader.stages("read"):
            self._merged.add(batch.text, batch.first_line)
        if portions := self._merged.take_portions():
            self._sinks.add(batch.first_line, batch.lines, portions)

    def _send(self, batch: Batch) -> None:
        """Give a batch to the worker that has asked for longest: by its place in memory if the worker sees that."""
        worker, sees_memory = self._asking.popleft()
        self._lent[worker].append(batch.text)
        assignment = self._assigned[worker]
        start = self._memory.offset(batch.text) if self._memory and sees_memory else None
        if start is None:
            self._crew.send(worker, Blocks(assignment, batch.first_line, batch.lines, batch.text))
        else:
            end = start + len(batch.text)
            self._crew.send(worker, SharedBlocks(assignment, batch.first_line, batch.lines, start, end))

    def _gather(self) -> None:
        """Merge the tallies of every worker."""
        for worker, assignment in self._assigned.items():
            self._crew.send(worker, HandOver(assignment))
        while self._assigned:
            self._handle_all(wait=True)
        self._show_progress()

    def _handle_all(self, wait: bool) -> None:
        received = self._crew.receive(0.1 if wait else 0)
        while received is not None:
            self._handle(received)
            received = self._crew.receive(0)

    def _handle(self, received: Received) -> None:
        worker, message = received
        if isinstance(message, LendWorker):
            if message.number == self._number and not self._reader.ended:
                self.enlist(message.worker, message.assignment)
        elif isinstance(message, Ask | Portions | Tallies | WorkFailed):
            if message.assignment != self._assigned.get(worker):
                log.debug("a late %s of rank %d", type(message).__name__, worker)
            elif isinstance(message, WorkFailed):
                raise message.error
            elif isinstance(message, Ask):
                if message.has_read:
                    self._lent[worker].popleft()
                self._asking.append((worker, message.sees_memory))
            elif isinstance(message, Portions):
                self._sinks.add(message.first_line, message.lines, message.portions)
            else:
                self._merge(worker, message)

    def _merge(self, worker: int, tallies: Tallies) -> None:
        del self._assigned[worker]
        self._free.append(worker)
        with self._reader.stages("merge"):
            self._merged.merge(tallies.export)
        for stage, seconds in tallies.seconds.items():
            self._reader.stages.seconds[stage] += seconds

    def _show_progress(self) -> None:
        now = time.monotonic()
        if now - self._shown >= PROGRESS_SECONDS or self._reader.ended:
            self._shown = now
            progress = Progress(self._number, self._reader.position, self._reader.lines)
            self._report_to.send(COORDINATOR, progress)
