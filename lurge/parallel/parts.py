"""Parts of a job that need nothing of each other: done by ranks, or alone by threads.

    coordinator -> member   DoPart
    member -> coordinator   PartDone

A part is a frozen dataclass, which travels as a pickle. A member asks for nothing: it gets its next part when it has
sent its result. The crew of a sink (crew.py) does parts, too: between a controller and its workers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from lurge.aggregate.interface import Part
from lurge.errors import LurgeError
from lurge.logs import set_role
from lurge.parallel.comm import Comm, Received
from lurge.parallel.messages import Message, Stop, volume_error


@dataclass(frozen=True)
class DoPart(Message):
    """Do a part."""

    number: int
    part: Part


@dataclass(frozen=True)
class PartDone(Message):
    """A part is done: its result, or its error."""

    number: int
    result: Any
    error: LurgeError | None = None


Outcome = tuple[int, Any, Exception | None]


def run_parts(comm: Comm | None, parts: Sequence[Part], threads: int) -> Iterator[Outcome]:
    """Do parts on the ranks of `comm`, or alone on threads; yields (number, result, error) as they are done.

    After an error, no more parts are begun.
    """
    if comm is None:
        yield from on_threads(parts, threads)
    else:
        yield from on_ranks(comm, parts)


def on_threads(parts: Sequence[Part], threads: int) -> Iterator[Outcome]:
    """Do parts on threads."""
    stopped = threading.Event()

    def do(number: int) -> Outcome:
        if stopped.is_set():
            return number, None, None
        try:
            return number, parts[number].run(stopped.is_set), None
        except Exception as error:
            stopped.set()
            return number, None, error

    with ThreadPoolExecutor(threads, "part") as pool:
        try:
            for done in as_completed([pool.submit(do, number) for number in range(len(parts))]):
                yield done.result()
        finally:
            stopped.set()


def on_ranks(comm: Comm, parts: Sequence[Part]) -> Iterator[Outcome]:
    """Do parts on all ranks but this one."""
    waiting = deque(enumerate(parts))
    busy = 0
    for rank in range(1, comm.size):
        if waiting:
            comm.send(rank, DoPart(*waiting.popleft()))
            busy += 1
    while busy:
        received = comm.receive(1)
        if received is None or not isinstance(received.message, PartDone):
            continue
        busy -= 1
        done = received.message
        if done.error:
            waiting.clear()
        elif waiting:
            comm.send(received.source, DoPart(*waiting.popleft()))
            busy += 1
        yield done.number, done.result, done.error


def do_parts(comm: Comm, first: Received) -> int:
    """A member's role: do the parts that come, until STOP; returns the job's exit status."""
    received: Received | None = first
    while True:
        if received is not None:
            message = received.message
            if isinstance(message, Stop):
                return message.exit_status
            if isinstance(message, DoPart):
                set_role(comm.name, f"part {message.number}")
                comm.send(received.source, done_part(comm, message))
        received = comm.receive()


def done_part(comm: Comm, message: DoPart) -> PartDone:
    """Do a part; what it does not expect is an error with the rank and the host."""
    try:
        return PartDone(message.number, message.part.run(lambda: False))
    except LurgeError as error:
        return PartDone(message.number, None, error)
    except Exception as error:
        return PartDone(message.number, None, volume_error(error, comm.name))
