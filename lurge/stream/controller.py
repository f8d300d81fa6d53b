"""The controller: reads one volume's dump, gives blocks to workers that ask, merges what they hand over."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.era import detect_era
from lurge.model.rules import Rules
from lurge.source.finding import read_base_directories
from lurge.source.inflate import DumpReader
from lurge.stream.blocks import Batch, cut
from lurge.stream.comm import Comm, thread_comms
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
from lurge.stream.worker import Worker

BATCHES_AHEAD = 4
POLL_SECONDS = 0.0005
PROGRESS_SECONDS = 0.2
SAMPLE_BYTES = 1 << 20

log = logging.getLogger(__name__)


def rules_of(job: Job, sample: bytes) -> Rules:
    """How to read the dump that begins with `sample`. Raises BaseDirectoriesError."""
    return Rules(
        era=detect_era(sample),
        dump_time=job.dump.time,
        directories=tuple(read_base_directories(job.base_directories)),
        pseudo_groups=job.pseudo_groups,
        filetypes=job.filetypes,
        deep_directories=job.deep_directories,
        aliases=job.aliases,
    )


class Reading:
    """A thread that inflates and cuts a dump, a few batches ahead of who takes them."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._reader = DumpReader(job.dump.path)
        self._ready: queue.Queue[Batch | Exception | None] = queue.Queue(BATCHES_AHEAD)
        self._stopped = threading.Event()
        self._chunks = iter(self._reader)
        self.rules = rules_of(job, self._look_ahead())
        self.lines = 0
        self.ended = False
        threading.Thread(target=self._read, daemon=True, name=f"read {job.dump.volume.name}").start()

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._reader.position

    def _look_ahead(self) -> bytes:
        """The first bytes of the dump, cut at a line where there is one; they will be read again."""
        first: list[bytes] = []
        for chunk in self._chunks:
            first.append(chunk)
            if sum(map(len, first)) >= SAMPLE_BYTES:
                break
        self._first = first
        sample = b"".join(first)[:SAMPLE_BYTES]
        return sample[: sample.rfind(b"\n") + 1] or sample

    def _all_chunks(self) -> Iterator[bytes]:
        while self._first:
            yield self._first.pop(0)
        yield from self._chunks

    def _read(self) -> None:
        last: Exception | None = None
        try:
            for batch in cut(self._all_chunks(), self._job.block_records):
                if not self._put(batch):
                    return
        except Exception as error:
            last = error
        self._put(last)

    def _put(self, item: Batch | Exception | None) -> bool:
        """Queue an item; False where nobody wants it any more."""
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
            raise item
        if item is None:
            self.ended = True
            return None
        self.lines += item.lines
        return item

    def stop(self) -> None:
        self._stopped.set()


@dataclass
class VolumeWork:
    """The state of one volume while it is read."""

    number: int
    reading: Reading
    result: Aggregator
    rules: Data
    workers: set[int] = field(default_factory=set)
    asking: deque[int] = field(default_factory=deque)
    reported: float = 0.0


class Controller:
    """One rank that reads volume after volume, until it is told to stop.

    comm: towards the coordinator. floor: towards the workers; the same, or a network of threads of this process.
    """

    def __init__(self, comm: Comm, floor: Comm | None = None) -> None:
        self._comm = comm
        self._floor = floor or comm

    def run(self) -> int:
        """Read volumes until STOP; returns the job's exit status."""
        while True:
            message = self._comm.receive()
            if message is None:
                continue
            if message.tag is Tag.STOP:
                return message.numbers[0]
            if message.tag is Tag.VOLUME:
                self._read_volume(message.numbers[0], *unpack_object(message.data))

    def _read_volume(self, number: int, job: Job, workers: list[int]) -> None:
        log.info("reading %s", job.dump.path)
        work: VolumeWork | None = None
        try:
            reading = Reading(job)
            work = VolumeWork(number, reading, Aggregator(reading.rules), pack_object(reading.rules))
            log.info("%s: %s", job.dump.volume.name, reading.rules.era)
            for worker in workers:
                self._enlist(work, worker)
            self._give_out(work)
            self._gather(work)
        except Exception as error:
            log.debug("%s failed", job.dump.volume.name, exc_info=True)
            problem = pack_object(Problem.of(error, self._comm.rank))
            self._comm.send(COORDINATOR, Tag.FAILED, number, data=problem)
        else:
            arrays = pack_arrays(work.result.export() | {"rules": work.rules})
            self._comm.send(COORDINATOR, Tag.REPORT, number, reading.lines, data=arrays)
        finally:
            if work:
                work.reading.stop()

    def _enlist(self, work: VolumeWork, worker: int) -> None:
        work.workers.add(worker)
        self._floor.send(worker, Tag.RULES, work.number, data=work.rules)

    def _give_out(self, work: VolumeWork) -> None:
        """Hand every batch to a worker that asks."""
        batch: Batch | None = None
        while batch is not None or not work.reading.ended:
            if batch is None:
                batch = work.reading.take(POLL_SECONDS if work.asking else 0.02)
            self._handle_all(work, wait=batch is not None and not work.asking)
            if batch is not None and work.asking:
                worker = work.asking.popleft()
                self._floor.send(worker, Tag.BLOCKS, work.number, batch.first_line, data=batch.text)
                batch = None
            self._show_progress(work)

    def _gather(self, work: VolumeWork) -> None:
        """Merge the tables of every worker."""
        for worker in work.workers:
            self._floor.send(worker, Tag.DONE, work.number)
        while work.workers:
            self._handle_all(work, wait=True)
        self._show_progress(work)

    def _handle_all(self, work: VolumeWork, wait: bool) -> None:
        message = self._floor.receive(0.1 if wait else 0)
        while message is not None:
            self._handle(work, message)
            message = self._floor.receive(0)

    def _handle(self, work: VolumeWork, message: Message) -> None:
        if message.numbers[0] != work.number:
            return
        if message.tag is Tag.ASK:
            work.asking.append(message.source)
        elif message.tag is Tag.REPORT:
            work.workers.discard(message.source)
            work.result.merge(unpack_arrays(message.data))
        elif message.tag is Tag.FAILED:
            raise unpack_object(message.data).error
        elif message.tag is Tag.LEND and not work.reading.ended:
            self._enlist(work, message.numbers[1])

    def _show_progress(self, work: VolumeWork) -> None:
        now = time.monotonic()
        if now - work.reported >= PROGRESS_SECONDS or work.reading.ended:
            work.reported = now
            self._comm.send(COORDINATOR, Tag.PROGRESS, work.number, work.reading.position, work.reading.lines)


def run_local_controller(comm: Comm, threads: int) -> int:
    """A controller whose workers are `threads` threads of this process; returns the job's exit status."""
    floor, *workers = thread_comms(1 + threads)
    for worker in workers:
        threading.Thread(target=Worker(worker).run, daemon=True, name=f"worker {worker.rank}").start()
    return LocalController(comm, floor, [worker.rank for worker in workers]).run()


class LocalController(Controller):
    """A controller with workers of its own: those that the coordinator names are none."""

    def __init__(self, comm: Comm, floor: Comm, workers: list[int]) -> None:
        super().__init__(comm, floor)
        self._workers = workers

    def _read_volume(self, number: int, job: Job, workers: list[int]) -> None:
        super()._read_volume(number, job, self._workers)
