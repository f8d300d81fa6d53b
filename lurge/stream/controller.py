"""The controller: reads one volume's dump, gives blocks to workers that ask, merges what they hand over."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lurge.aggregate.aggregator import Aggregator
from lurge.errors import VolumeError
from lurge.export.parts import VolumeParts
from lurge.logs import set_role
from lurge.model.era import Era
from lurge.model.rules import Rules
from lurge.model.split import Portion
from lurge.source.finding import read_base_directories
from lurge.stream.blocks import BUFFER_BYTES, Batch, OpenDump
from lurge.stream.comm import Comm, ThreadComm, thread_comms
from lurge.stream.plan import COORDINATOR
from lurge.stream.protocol import (
    Data,
    Job,
    Message,
    Problem,
    Tag,
    pack_arrays,
    pack_object,
    unpack_arrays,
    unpack_object,
)
from lurge.stream.shared import SharedMemory, Text, share
from lurge.stream.stages import OF_WORKERS
from lurge.stream.threads import start_thread, usable_cores
from lurge.stream.worker import Worker

BATCHES_AHEAD = 4
SHARED_BYTES = 64 * BUFFER_BYTES
PROGRESS_SECONDS = 0.2
STOP_SECONDS = 10
MOST_PORTIONS_WAITING = 64
"""Of a split, while one that belongs before them is still worked on."""


log = logging.getLogger(__name__)


def rules_of(job: Job, era: Era) -> Rules:
    """How to read a dump of `era`. Raises BaseDirectoriesError."""
    return Rules(
        era=era,
        dump_time=job.dump.time,
        directories=tuple(read_base_directories(job.base_directories)),
        pseudo_groups=job.pseudo_groups,
        filetypes=job.filetypes,
        deep_directories=job.deep_directories,
        aliases=job.aliases,
        splits=job.split_into is not None,
    )


class Reading:
    """A thread that inflates and cuts a dump, into `memory` if it can, a few batches ahead of who takes them."""

    def __init__(self, job: Job, memory: SharedMemory | None) -> None:
        self._job = job
        self._memory = memory.text if memory else None
        self._dump = OpenDump(job.dump.path)
        self.stages = self._dump.stages
        self._ready: queue.Queue[Batch | Exception | None] = queue.Queue(BATCHES_AHEAD)
        self._stopped = threading.Event()
        try:
            self.rules = rules_of(job, self._dump.era)
        except BaseException:
            self._dump.close()
            raise
        self.lines = 0
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True, name=f"read {job.dump.volume.name}")
        self._thread.start()

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._dump.position

    def _read(self) -> None:
        try:
            with closing(self._dump) as dump:
                for batch in dump.batches(self._job.block_records, self._memory):
                    if not self._put(batch):
                        return
        except Exception as error:
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: Batch | Exception | None) -> bool:
        """Queue an item; False where nobody wants it any more."""
        with self.stages("blocked"):
            while not self._stopped.is_set():
                try:
                    self._ready.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return True
        return False

    def take(self, timeout: float) -> Batch | None:
        """The next batch; None where none came in time or, then `ended` is set, none will come.

        Raises what reading raised.
        """
        if self.ended:
            return None
        try:
            item = self._ready.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            try:
                raise item
            finally:
                # What an exception's traceback leads back to, with all its memory, would wait for the collector.
                del item
        if item is None:
            self.ended = True
            return None
        self.lines += item.lines
        return item

    def stop(self) -> None:
        """Read no more; afterwards nothing is written into any buffer."""
        self._stopped.set()
        self._thread.join(STOP_SECONDS)


@dataclass
class VolumeWork:
    """The state of one volume while it is read.

    orders: what every worker gets first. assigned: the assignments of the workers that have not handed over yet.
    asking: workers, and whether they see the shared memory. lent: what each has not read yet, which must not change.
    parts: where the lines of each group go, if they are wanted; a split that fails leaves split_error in their place,
    and the volume is read all the same.
    """

    number: int
    reading: Reading
    floor: Comm
    result: Aggregator
    orders: Data
    memory: SharedMemory | None
    parts: VolumeParts | None = None
    split_error: VolumeError | None = None
    assigned: dict[int, int] = field(default_factory=dict)
    asking: deque[tuple[int, bool]] = field(default_factory=deque)
    lent: defaultdict[int, deque[Text]] = field(default_factory=partial(defaultdict, deque))
    reported: float = 0.0


@contextmanager
def splitting(work: VolumeWork) -> Iterator[None]:
    """Let what goes wrong end the split of a volume, but not the reading of it."""
    try:
        yield
    except VolumeError as error:
        log.error("the lines are not split any more: %s", error.message)
        work.parts, work.split_error = None, error


class Controller:
    """One rank that reads volume after volume, until it is told to stop."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._own_workers: list[ThreadComm] = []

    def run(self, message: Message | None = None) -> int:
        """Read volumes until STOP, beginning with `message`; returns the job's exit status."""
        while True:
            message = message or self._comm.receive()
            if message is None:
                continue
            if message.tag is Tag.STOP:
                if self._own_workers:
                    self._own_workers[0].stop_others(message.numbers[0])
                return message.numbers[0]
            if message.tag is Tag.VOLUME:
                self._read_volume(message)
            message = None

    def _read_volume(self, message: Message) -> None:
        number, assignment = message.numbers
        job: Job
        workers: list[int]
        job, workers = unpack_object(message.data)
        set_role(self._comm.name, "controller", job.dump.volume.name)
        log.info("reading %s", job.dump.path)
        reading: Reading | None = None
        memory: SharedMemory | None = None
        try:
            memory = share(SHARED_BYTES) if workers else None
            reading = Reading(job, memory)
            log.info("%s: %s", job.dump.volume.name, reading.rules.era)
            floor, crew = (self._comm, workers) if workers else self._own_floor()
            orders = pack_object((reading.rules, memory.place if memory else None))
            work = VolumeWork(number, reading, floor, Aggregator(reading.rules), orders, memory)
            if split_into := job.split_into:
                with splitting(work):
                    work.parts = VolumeParts(split_into)
            for worker in crew:
                self._enlist(work, worker, assignment)
            self._give_out(work)
            self._gather(work)
            seconds = np.array(list(reading.stages.seconds.values()))
            arrays = work.result.export() | {"rules": pack_object(reading.rules), "stages": seconds}
            if parts := work.parts:
                with splitting(work):
                    arrays["split"] = np.array(parts.finish(), np.int64).reshape(-1, 3)
            if work.split_error:
                arrays["split_error"] = pack_object(Problem(work.split_error))
            self._comm.send(COORDINATOR, Tag.REPORT, number, reading.lines, data=pack_arrays(arrays))
        except Exception as error:
            log.debug("%s failed", job.dump.volume.name, exc_info=True)
            problem = pack_object(Problem.of(error, self._comm.name))
            self._comm.send(COORDINATOR, Tag.FAILED, number, data=problem)
        finally:
            if reading:
                reading.stop()
            if memory:
                memory.close()

    def _own_floor(self) -> tuple[Comm, list[int]]:
        """Threads of this process as workers: this controller's end of their network, and who they are."""
        if not self._own_workers:
            self._own_workers = thread_comms(1 + usable_cores(), f"{self._comm.name} thread")
            for worker in self._own_workers[1:]:
                start_thread(Worker(worker).run, worker.name)
        floor, *workers = self._own_workers
        return floor, [worker.rank for worker in workers]

    @staticmethod
    def _enlist(work: VolumeWork, worker: int, assignment: int) -> None:
        work.assigned[worker] = assignment
        work.floor.send(worker, Tag.RULES, assignment, data=work.orders)

    def _give_out(self, work: VolumeWork) -> None:
        """Hand every batch to a worker that asks."""
        batch: Batch | None = None
        while batch is not None or not work.reading.ended:
            if batch is None:
                batch = work.reading.take(work.floor.patience)
            too_far = work.parts is not None and work.parts.waiting > MOST_PORTIONS_WAITING
            self._handle_all(work, wait=batch is not None and (too_far or not work.asking))
            if batch is not None and work.asking and not too_far:
                with work.reading.stages("send"):
                    self._send(work, batch)
                batch = None
            self._show_progress(work)

    @staticmethod
    def _send(work: VolumeWork, batch: Batch) -> None:
        """Give a batch to the worker that has asked for longest: where it lies in memory if the worker sees that."""
        worker, shares = work.asking.popleft()
        work.lent[worker].append(batch.text)
        numbers = (work.assigned[worker], batch.first_line, batch.lines)
        start = work.memory.offset(batch.text) if work.memory and shares else None
        if start is None:
            work.floor.send(worker, Tag.BLOCKS, *numbers, data=batch.text)
        else:
            work.floor.send(worker, Tag.BLOCKS, *numbers, start, start + len(batch.text))

    def _gather(self, work: VolumeWork) -> None:
        """Merge the tables of every worker."""
        for worker, assignment in work.assigned.items():
            work.floor.send(worker, Tag.DONE, assignment)
        while work.assigned:
            self._handle_all(work, wait=True)
        self._show_progress(work)

    def _handle_all(self, work: VolumeWork, wait: bool) -> None:
        message = work.floor.receive(0.1 if wait else 0)
        while message is not None:
            self._handle(work, message)
            message = work.floor.receive(0)

    def _handle(self, work: VolumeWork, message: Message) -> None:
        if message.tag is Tag.LEND:
            number, assignment, worker = message.numbers
            if number == work.number and not work.reading.ended:
                self._enlist(work, worker, assignment)
        elif message.numbers[0] != work.assigned.get(message.source):
            log.debug("a late %s of rank %d", message.tag.name, message.source)
        elif message.tag is Tag.ASK:
            _, shares, read = message.numbers
            if read:
                work.lent[message.source].popleft()
            work.asking.append((message.source, bool(shares)))
        elif message.tag is Tag.PORTION and work.parts:
            _, first_line, lines = message.numbers
            with splitting(work):
                work.parts.add(first_line, lines, Portion(**unpack_arrays(message.data)))
        elif message.tag is Tag.REPORT:
            del work.assigned[message.source]
            with work.reading.stages("merge"):
                work.result.merge(unpack_arrays(message.data))
            for stage, microseconds in zip(OF_WORKERS, message.numbers[1:], strict=True):
                work.reading.stages.seconds[stage] += microseconds / 1e6
        elif message.tag is Tag.FAILED:
            raise unpack_object(message.data).error

    def _show_progress(self, work: VolumeWork) -> None:
        now = time.monotonic()
        if now - work.reported >= PROGRESS_SECONDS or work.reading.ended:
            work.reported = now
            self._comm.send(COORDINATOR, Tag.PROGRESS, work.number, work.reading.position, work.reading.lines)
