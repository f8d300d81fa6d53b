"""The roles of ranks. Nothing here knows of MPI."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

COORDINATOR = 0

WORKERS_FED = 1
"""Workers that one controller keeps busy: to inflate a line takes it longer than to read it (docs/performance.md)."""


@dataclass(frozen=True)
class Plan:
    """The roles of a job's ranks. Rank 0 is the coordinator; a controller without workers reads with threads."""

    controllers: tuple[int, ...]
    workers: tuple[int, ...]


def make_plan(ranks: int, volumes: int, workers_per_volume: int) -> Plan:
    """Roles for `ranks` (at least 2) ranks and `volumes` volumes to read.

    A controller for as many workers as it keeps busy (`workers_per_volume`, if that is less), at most one a volume;
    every other rank works. Volumes that find no controller wait for one. With 2 ranks, the second is a controller that
    works itself.
    """
    if ranks < 2:
        raise ValueError("a plan needs a coordinator and another rank")
    others = ranks - 1
    if others == 1:
        return Plan(controllers=(1,), workers=())
    wanted = math.ceil(others / (1 + min(workers_per_volume, WORKERS_FED)))
    controllers = max(1, min(volumes, wanted, others // 2))
    return Plan(tuple(range(1, 1 + controllers)), tuple(range(1 + controllers, ranks)))


def share(workers: Sequence[int], controllers: int) -> list[list[int]]:
    """`workers` dealt to `controllers` as evenly as can be."""
    return [list(workers[i::controllers]) for i in range(controllers)]
