"""The controller: a rank that reads one volume after another."""

from __future__ import annotations

import logging

from lurge.logs import set_role
from lurge.parallel.blocks import BUFFER_BYTES
from lurge.parallel.comm import Comm, Received, ThreadComm, thread_comms
from lurge.parallel.messages import ReadVolume, Stop, VolumeFailed, volume_error
from lurge.parallel.plan import COORDINATOR
from lurge.parallel.reader import Reader
from lurge.parallel.shared import SharedMemory, share
from lurge.parallel.threads import start_thread, usable_cores
from lurge.parallel.volume import VolumeWork
from lurge.parallel.worker import Worker

SHARED_BYTES = 64 * BUFFER_BYTES

log = logging.getLogger(__name__)


class Controller:
    """One rank that reads volume after volume, until it is told to stop."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._own_workers: list[ThreadComm] = []

    def run(self, received: Received | None = None) -> int:
        """Read volumes until Stop, beginning with `received`; returns the job's exit status."""
        while True:
            received = received or self._comm.receive()
            if received is None:
                continue
            message = received.message
            if isinstance(message, Stop):
                if self._own_workers:
                    self._own_workers[0].stop_others(message.exit_status)
                return message.exit_status
            if isinstance(message, ReadVolume):
                self._read_volume(message)
            received = None

    def _read_volume(self, orders: ReadVolume) -> None:
        dump = orders.task.dump
        set_role(self._comm.name, "controller", dump.volume.name)
        log.info("reading %s", dump.path)
        reader: Reader | None = None
        memory: SharedMemory | None = None
        try:
            memory = share(SHARED_BYTES) if orders.workers else None
            reader = Reader(orders.task, memory)
            log.info("%s: %s", dump.volume.name, reader.rules.era)
            crew, workers = (self._comm, orders.workers) if orders.workers else self._own_crew()
            work = VolumeWork(orders.number, orders.task, reader, memory, crew, self._comm)
            for worker in workers:
                work.enlist(worker, orders.assignment)
            self._comm.send(COORDINATOR, work.run())
        except Exception as error:
            log.debug("%s failed", dump.volume.name, exc_info=True)
            self._comm.send(COORDINATOR, VolumeFailed(orders.number, volume_error(error, self._comm.name)))
        finally:
            if reader:
                reader.stop()
            if memory:
                memory.close()

    def _own_crew(self) -> tuple[Comm, tuple[int, ...]]:
        """Threads of this process as workers: this controller's end of their network, and their ranks."""
        if not self._own_workers:
            self._own_workers = thread_comms(1 + usable_cores(), f"{self._comm.name} thread")
            for worker in self._own_workers[1:]:
                start_thread(Worker(worker).run, worker.name)
        own_end, *workers = self._own_workers
        return own_end, tuple(worker.rank for worker in workers)
