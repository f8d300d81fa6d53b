"""Crews of sinks: every part is done once, by somebody, and its result or error comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from lurge.aggregate.interface import Crew
from lurge.errors import OutputError, RankError
from lurge.parallel.comm import Comm, thread_comms
from lurge.parallel.crew import PARTS_IN_FLIGHT, ThreadCrew, WorkerCrew
from lurge.parallel.parts import DoPart, PartDone
from lurge.parallel.worker import Worker

PARTS = 40


@dataclass(frozen=True)
class Square:
    number: int

    def run(self, is_stopped: Callable[[], bool]) -> tuple[int, str]:
        time.sleep(0.002)
        return self.number**2, threading.current_thread().name


@dataclass(frozen=True)
class Failing:
    error: Exception

    def run(self, is_stopped: Callable[[], bool]) -> None:
        raise self.error


def silent_crew() -> tuple[WorkerCrew, Comm]:
    """A crew of one worker, and the end of that one, which does nothing."""
    own, worker = thread_comms(2)
    return WorkerCrew(own, [1]), worker


@pytest.fixture(params=[1, 3])
def workers(request: pytest.FixtureRequest) -> Iterator[WorkerCrew]:
    own, *others = thread_comms(1 + request.param)
    threads = [threading.Thread(target=Worker(comm).run, name=comm.name) for comm in others]
    for thread in threads:
        thread.start()
    yield WorkerCrew(own, [comm.rank for comm in others])
    own.stop_others(0)
    for thread in threads:
        thread.join()


def results(crew: Crew) -> list[tuple[int, str]]:
    numbers = [crew.begin(Square(number)) for number in range(PARTS)]
    return [crew.result(number) for number in numbers]


def test_workers_and_their_controller_share_parts(workers: WorkerCrew) -> None:
    done = results(workers)
    assert [square for square, _ in done] == [number**2 for number in range(PARTS)]
    assert len({name for _, name in done}) == workers.size


def test_threads_share_parts() -> None:
    with closing(ThreadCrew(3)) as crew:
        done = results(crew)
    assert [square for square, _ in done] == [number**2 for number in range(PARTS)]
    assert 1 < len({name for _, name in done}) <= crew.size


def test_an_error_is_raised_for_its_part_alone(workers: WorkerCrew) -> None:
    parts = [Square(2), Failing(OutputError("no room", "")), Failing(MemoryError()), Square(3)] * 4
    numbers = [workers.begin(part) for part in parts]
    for number, part in zip(numbers, parts, strict=True):
        if isinstance(part, Square):
            assert workers.result(number)[0] == part.number**2
        else:
            with pytest.raises(OutputError if isinstance(part.error, OutputError) else RankError):
                workers.result(number)


def test_the_controller_works_while_its_workers_are_busy() -> None:
    crew, _ = silent_crew()
    numbers = [crew.begin(Square(number)) for number in range(PARTS_IN_FLIGHT + 3)]
    done = [crew.result(number) for number in numbers[PARTS_IN_FLIGHT:]]
    assert {name for _, name in done} == {threading.current_thread().name}


def test_a_late_result_of_another_crew_is_not_taken() -> None:
    crew, worker = silent_crew()
    number = crew.begin(Square(5))
    worker.send(0, PartDone(number - 1, "late"))
    received = worker.receive(1)
    assert received is not None
    assert isinstance(received.message, DoPart)
    worker.send(0, PartDone(number, "right"))
    assert crew.result(number) == "right"
