"""Behaviour of every communicator. Three ranks call each function at once, each with its own end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lurge.parallel.comm import Comm, Received
from lurge.parallel.crew import WorkerCrew
from lurge.parallel.messages import Blocks, HandOver, Stop
from lurge.parallel.worker import Worker

RANKS = 3
MESSAGES = 200
LARGE = 30_000_000
"""Bytes of a message that no network sends without the receiver."""

SECONDS_TO_ARRIVE = 20
FIRST_LINE = -(2**62)


def take(comm: Comm) -> Received:
    received = comm.receive(SECONDS_TO_ARRIVE)
    assert received is not None, f"nothing came to {comm.name}"
    return received


def others(comm: Comm) -> list[int]:
    return [rank for rank in range(comm.size) if rank != comm.rank]


def text_of(sender: int, number: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.full(number * 7, sender * 10 + number % 7, np.uint8)


def each_rank_has_its_own_number(comm: Comm) -> None:
    for other in others(comm):
        comm.send(other, HandOver(comm.rank))
    received = [take(comm) for _ in others(comm)]
    assert comm.size == RANKS
    assert sorted(source for source, _ in received) == others(comm)
    assert all(message == HandOver(source) for source, message in received)


def messages_arrive_whole_and_in_the_order_of_sending(comm: Comm) -> None:
    for number in range(MESSAGES):
        for other in others(comm):
            comm.send(other, Blocks(number, FIRST_LINE, 1, text_of(comm.rank, number)))
    next_number = dict.fromkeys(others(comm), 0)
    for _ in range(MESSAGES * len(next_number)):
        source, message = take(comm)
        assert isinstance(message, Blocks)
        number = next_number[source]
        assert (message.assignment, message.first_line, message.lines) == (number, FIRST_LINE, 1)
        assert np.array_equal(message.text, text_of(source, number))
        next_number[source] += 1
    assert set(next_number.values()) == {MESSAGES}


def ranks_that_send_large_messages_to_each_other_do_not_wait_for_each_other(comm: Comm) -> None:
    """Every rank sends to every other before any of them receives."""
    text = np.resize(np.arange(251, dtype=np.uint8), LARGE)
    for other in others(comm):
        comm.send(other, Blocks(comm.rank, 0, 0, text))
    for _ in others(comm):
        source, message = take(comm)
        assert isinstance(message, Blocks)
        assert (message.assignment, message.lines) == (source, 0)
        assert np.array_equal(message.text, text)


def a_message_may_be_empty(comm: Comm) -> None:
    for other in others(comm):
        comm.send(other, Blocks(0, 0, 0, np.empty(0, np.uint8)))
    for _ in others(comm):
        message = take(comm).message
        assert isinstance(message, Blocks)
        assert len(message.text) == 0


def receiving_returns_nothing_when_the_time_is_over(comm: Comm) -> None:
    started = time.monotonic()
    assert comm.receive(0) is None
    assert comm.receive(0.05) is None
    assert 0.04 < time.monotonic() - started < SECONDS_TO_ARRIVE


def a_waiting_rank_uses_hardly_any_time_of_its_core(comm: Comm) -> None:
    started = time.thread_time()
    assert comm.receive(1.0) is None
    assert time.thread_time() - started < 0.1


def the_coordinator_stops_every_other_rank_with_its_status(comm: Comm) -> None:
    if comm.rank == 0:
        comm.stop_others(5)
    else:
        assert take(comm) == (0, Stop(5))


@dataclass(frozen=True)
class Sum:
    """A part: the sum of an array, and who did it."""

    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]

    def run(self, is_stopped: Callable[[], bool]) -> tuple[int, tuple[int, int]]:
        time.sleep(0.01)
        return int(self.numbers.sum()), (os.getpid(), threading.get_ident())


def the_workers_of_a_controller_do_parts(comm: Comm) -> None:
    if comm.rank:
        assert Worker(comm).run() == 0
        return
    crew = WorkerCrew(comm, others(comm))
    numbers = [crew.begin(Sum(np.arange(number))) for number in range(40)]
    results = [crew.result(number) for number in numbers]
    comm.stop_others(0)
    assert [total for total, _ in results] == [number * (number - 1) // 2 for number in range(40)]
    assert len({who for _, who in results}) == RANKS


CONTRACT: list[Callable[[Comm], None]] = [
    the_workers_of_a_controller_do_parts,
    each_rank_has_its_own_number,
    messages_arrive_whole_and_in_the_order_of_sending,
    ranks_that_send_large_messages_to_each_other_do_not_wait_for_each_other,
    a_message_may_be_empty,
    receiving_returns_nothing_when_the_time_is_over,
    a_waiting_rank_uses_hardly_any_time_of_its_core,
    the_coordinator_stops_every_other_rank_with_its_status,
]


def name_of(behaviour: Callable[[Comm], None]) -> str:
    return behaviour.__name__
