"""Reading many dumps on the ranks that there are, and handing on what comes of them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from lurge.aggregate.warm import compile_kernels
from lurge.config import Config
from lurge.logs import set_role
from lurge.pipeline.ticket import JobTicket
from lurge.stream.comm import Comm, thread_comms
from lurge.stream.coordinator import Coordinator, Result, Watcher
from lurge.stream.member import run_member
from lurge.stream.plan import make_plan
from lurge.stream.protocol import Job
from lurge.stream.threads import start_thread, usable_cores

Finish = Callable[[int, Result], None]


class SigningWatcher:
    """Shows progress to another watcher, and in the ticket that the job is alive."""

    def __init__(self, watcher: Watcher, ticket: JobTicket) -> None:
        self.started = watcher.started
        self.ended = watcher.ended
        self._watcher = watcher
        self._ticket = ticket

    def advanced(self, volume: str, position: int, lines: int) -> None:
        self._watcher.advanced(volume, position, lines)
        self._ticket.sign()


class InOrder:
    """Finishes results in the order of their jobs, one after another, on a thread of its own.

    So equal dumps give equal keys in the database, however many ranks read them, and reading goes on meanwhile.
    """

    def __init__(self, numbers: Mapping[int, Job], finish: Finish) -> None:
        self._waiting = deque(numbers)
        self._results: dict[int, Result] = {}
        self._finish = finish
        self._thread = ThreadPoolExecutor(1, initializer=set_role, initargs=("rank 0", "coordinator"))
        self._begun: list[Future[None]] = []

    def put(self, number: int, result: Result) -> None:
        self._results[number] = result
        while self._waiting and self._waiting[0] in self._results:
            first = self._waiting.popleft()
            self._begun.append(self._thread.submit(self._finish, first, self._results.pop(first)))

    def wait(self) -> None:
        """Wait until all are finished; raises what finishing one raised."""
        with self._thread:
            for one in self._begun:
                one.result()


def read_all(
    config: Config,
    comm: Comm | None,
    jobs: Mapping[int, Job],
    watcher: Watcher,
    finish: Finish,
    largest_first: bool = True,
) -> None:
    """Read every dump on the ranks of `comm`, or on threads; `finish` gets each result, in the order of `jobs`."""
    if not jobs:
        return
    compile_kernels(splits=any(job.split_into for job in jobs.values()))
    network = comm or start_members(2 + usable_cores())
    plan = make_plan(network.size, len(jobs), config.mpi.workers_per_volume)
    in_order = InOrder(jobs, finish)
    try:
        Coordinator(network, plan, jobs, watcher, in_order.put, largest_first).run()
    finally:
        in_order.wait()
    if comm is None:
        network.stop_others(0)


def start_members(size: int) -> Comm:
    """Threads as ranks; returns the coordinator's end of their network."""
    coordinator, *members = thread_comms(size)
    for member in members:
        start_thread(partial(run_member, member), member.name)
    return coordinator
