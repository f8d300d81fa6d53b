"""Reading many dumps on all ranks, and handing on their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from lurge.aggregate.tree import TREE_INDEX
from lurge.aggregate.warm import REPORT, TREE, compile_kernels
from lurge.config import Config
from lurge.logs import set_role
from lurge.parallel.comm import Comm, thread_comms
from lurge.parallel.coordinator import Coordinator, Result, Watcher
from lurge.parallel.member import run_member
from lurge.parallel.messages import VolumeTask
from lurge.parallel.plan import make_plan
from lurge.parallel.threads import start_thread, usable_cores

Finish = Callable[[int, Result], None]


class InOrder:
    """Finishes results in the order of their tasks, one after another, on a thread of its own.

    So equal dumps give equal keys in the database on any number of ranks, and reading goes on meanwhile.
    """

    def __init__(self, numbers: Mapping[int, VolumeTask], finish: Finish) -> None:
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
        """Wait until all are finished. Raises the first error of `finish`."""
        for finishing in self._begun:
            finishing.result()
        self._thread.shutdown()

    def abandon(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(cancel_futures=True)


def read_all(
    config: Config,
    comm: Comm | None,
    tasks: Mapping[int, VolumeTask],
    watcher: Watcher,
    finish: Finish,
    at_once: int | None = None,
) -> None:
    """Read every dump on the ranks of `comm`, or on threads; `finish` gets each result, in the order of `tasks`.

    at_once: plan for N dumps at a time and read them in order, instead of all at once, the largest first. Ranks keep
    their roles from one call to the next, so that all calls of a job must say the same.
    """
    if not tasks:
        return
    aggregates = {aggregate.name: aggregate for task in tasks.values() for aggregate in task.aggregates}
    # The index of the tree compiles with the others, in processes of its own.
    parts = (*REPORT, *TREE) if TREE_INDEX in aggregates else REPORT
    others = [aggregate for name, aggregate in aggregates.items() if name != TREE_INDEX]
    compile_kernels(parts, watcher.compiled, others)
    network = comm or start_members(1 + usable_cores())
    plan = make_plan(network.size, at_once or len(tasks), config.mpi.workers_per_volume)
    in_order = InOrder(tasks, finish)
    try:
        Coordinator(network, plan, tasks, watcher, in_order.put, largest_first=at_once is None).run()
        in_order.wait()
    except BaseException:
        in_order.abandon()
        raise
    if comm is None:
        network.stop_others(0)


def start_members(size: int) -> Comm:
    """Threads as ranks; returns the coordinator's end of their network."""
    coordinator, *members = thread_comms(size)
    for member in members:
        start_thread(partial(run_member, member), member.name)
    return coordinator
