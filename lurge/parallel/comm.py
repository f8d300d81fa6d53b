"""The network of messages: MPI between processes, or queues between threads of one process.

Receiving never burns a core: it looks for messages often at first, then sleeps.
"""

from __future__ import annotations

import queue
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lurge.errors import LurgeError, MpiError
from lurge.parallel.messages import Data, Message, Stop
from lurge.parallel.ranks import finished, report_in, start_mpi, started_ranks

SPIN_SECONDS = 50e-6
SHORTEST_SLEEP, LONGEST_SLEEP = 200e-6, 1e-3
PIECE_BYTES = 1 << 30


class Received(NamedTuple):
    """A message and the rank that sent it."""

    source: int
    message: Message


class Comm(ABC):
    """One rank's end of the network. Messages between two ranks arrive in the order in which they were sent."""

    rank: int
    size: int
    name: str
    """The rank in words."""
    patience: float
    """Seconds that this end may do nothing while what it sent is on its way."""

    @abstractmethod
    def send(self, to: int, message: Message) -> None:
        """Hand over a message without waiting; its arrays must not change afterwards."""

    @abstractmethod
    def receive(self, timeout: float | None = None) -> Received | None:
        """The next message; None if none came within `timeout` seconds."""

    def stop_others(self, status: int) -> None:
        """From the coordinator: send every other rank home with the job's exit status."""
        for rank in range(1, self.size):
            self.send(rank, Stop(status))


class ThreadComm(Comm):
    """A rank that is a thread."""

    patience = 0.05

    def __init__(self, rank: int, boxes: list[queue.SimpleQueue[Received]], name: str) -> None:
        self.rank = rank
        self.name = name
        self.size = len(boxes)
        self._boxes = boxes

    def send(self, to: int, message: Message) -> None:
        self._boxes[to].put(Received(self.rank, message))

    def receive(self, timeout: float | None = None) -> Received | None:
        try:
            return self._boxes[self.rank].get(timeout=timeout) if timeout != 0 else self._boxes[self.rank].get_nowait()
        except queue.Empty:
            return None


def thread_comms(size: int, name: str = "rank") -> list[ThreadComm]:
    """The ends of a network of `size` threads, named by `name` and their number."""
    boxes: list[queue.SimpleQueue[Received]] = [queue.SimpleQueue() for _ in range(size)]
    return [ThreadComm(rank, boxes, f"{name} {rank}") for rank in range(size)]


class MpiComm(Comm):
    """A rank of MPI_COMM_WORLD.

    A message is a header of int64, the lengths of its buffers, and then, on a communicator of their own, the buffers in
    pieces below 1 GiB, so that no message is bound by the 2 GiB of a C int.
    """

    patience = 0.002

    def __init__(self) -> None:
        """Raises ImportError or RuntimeError where mpi4py cannot be used."""
        self._mpi = start_mpi()
        self._headers = self._mpi.COMM_WORLD
        self._data = self._headers.Dup()
        self.rank = self._headers.Get_rank()
        self.size = self._headers.Get_size()
        self.name = f"rank {self.rank}"
        self._sending: deque[tuple[list[Any], Any]] = deque()

    def send(self, to: int, message: Message) -> None:
        buffers = message.pack()
        header = np.array([buffer.nbytes for buffer in buffers], np.int64)
        requests = [self._headers.Isend([header, self._mpi.INT64_T], dest=to)]
        for buffer in buffers:
            for start in range(0, buffer.nbytes, PIECE_BYTES):
                requests.append(self._data.Isend([buffer[start : start + PIECE_BYTES], self._mpi.BYTE], dest=to))
        self._sending.append((requests, (header, buffers)))
        self._release()

    def _release(self) -> None:
        while self._sending and self._mpi.Request.Testall(self._sending[0][0]):
            self._sending.popleft()

    def receive(self, timeout: float | None = None) -> Received | None:
        status = self._mpi.Status()
        started = time.monotonic()
        pause = SHORTEST_SLEEP
        while not self._headers.Iprobe(self._mpi.ANY_SOURCE, self._mpi.ANY_TAG, status):
            self._release()
            waited = time.monotonic() - started
            if timeout is not None and waited >= timeout:
                return None
            if waited > SPIN_SECONDS:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_SLEEP)
        source = status.Get_source()
        header = np.empty(status.Get_count(self._mpi.INT64_T), np.int64)
        self._headers.Recv([header, self._mpi.INT64_T], source=source)
        buffers = [np.empty(length, np.uint8) for length in header.tolist()]
        for buffer in buffers:
            for start in range(0, len(buffer), PIECE_BYTES):
                self._receive_piece(buffer[start : start + PIECE_BYTES], source)
        return Received(source, Message.unpack(buffers))

    def _receive_piece(self, piece: Data, source: int) -> None:
        """Receive data while own sends go on: two ranks that send to each other must not wait for each other."""
        request = self._data.Irecv([piece, self._mpi.BYTE], source=source)
        pause = SHORTEST_SLEEP
        while not request.Test():
            self._release()
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_SLEEP)

    def finish(self) -> None:
        """Wait until everything that any rank sent has arrived; what still comes to this one is not wanted any more.

        A rank that sends to one that has gone would wait for ever.
        """
        everyone_is_done = None
        while everyone_is_done is None or not everyone_is_done.Test():
            self.receive(LONGEST_SLEEP)
            self._release()
            if everyone_is_done is None and not self._sending:
                everyone_is_done = self._headers.Ibarrier()
        finished()


def connect() -> MpiComm | None:
    """This process's end of MPI; None if it is alone.

    Raises MpiError where mpiexec started several ranks that do not find each other: each would do the whole job.
    """
    expected = started_ranks()
    if expected == 0:
        return None
    try:
        comm = MpiComm()
    except (ImportError, RuntimeError) as error:
        if expected == 1:
            return None
        raise MpiError(f"started as {expected} ranks, but mpi4py cannot be used: {error}") from error
    report_in()
    if comm.size == 1 < expected:
        raise MpiError(f"started as {expected} ranks, but mpi4py belongs to another MPI and sees one")
    return comm if comm.size > 1 else None


def run_rank(comm: MpiComm, role: Callable[[], int]) -> int:
    """Play a role under MPI; returns the job's exit status.

    An expected error of the coordinator, which has sent the others home by then, is raised when all have finished. Any
    other exception is raised at once: `ranks.together` ends every rank with it.
    """
    try:
        status = role()
    except LurgeError:
        if comm.rank == 0:
            comm.finish()
        raise
    comm.finish()
    return status
