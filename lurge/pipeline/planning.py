"""Plans: how many ranks a job should have, and the part of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lurge.config import Config
from lurge.errors import LurgeError, StoreError
from lurge.model.dump import Dump
from lurge.parallel.plan import COORDINATOR, WORKERS_FED, make_plan, share
from lurge.pipeline.backfill import older_dumps
from lurge.pipeline.stored import holds
from lurge.pipeline.tonight import tonights_dump
from lurge.store.database import Database
from lurge.store.usage.read.volumes import count_directories

BYTES_A_WORKER = 64 << 20
"""Compressed bytes of a dump below which another worker is not worth its start."""

MB_A_RANK, BYTES_A_DIRECTORY, BYTES_A_WAITING_DIRECTORY = 270, 440, 170
"""Memory of a rank, measured: docs/performance.md."""

MB_OF_TREE = 220
"""Memory for the tree index, measured: docs/performance.md."""

GROWTH = 1.2
"""Allowance for tonight's report being larger than the stored one."""


@dataclass(frozen=True)
class Role:
    """The role of some ranks. volume: the one that a controller reads first."""

    ranks: list[int]
    role: str
    volume: str | None = None


@dataclass(frozen=True)
class JobPlan:
    """The dumps to read, largest first, the reasons why others are missing, and the roles of all ranks."""

    ranks: int
    memory_mb_a_rank: int
    dumps: list[Dump]
    missing: dict[str, str]
    roles: list[Role]

    @property
    def memory_mb(self) -> int:
        """MB of all ranks together."""
        return self.ranks * self.memory_mb_a_rank


def plan_job(config: Config, ranks: int | None, backfill: bool, since: date | None = None) -> JobPlan:
    """The plan for tonight's dumps, or for those that a backfill would read. ranks: None for the recommended number."""
    dumps: list[Dump] = []
    missing = {}
    if backfill:
        dumps = not_stored(config, older_dumps(config, since))
    else:
        for volume in config.dumps.volumes:
            try:
                dumps.append(tonights_dump(config, volume))
            except LurgeError as error:
                missing[volume.name] = error.message
    dumps.sort(key=lambda dump: -dump.size)
    at_once = dumps[: len(config.dumps.volumes)] if not backfill else dumps[:1]
    count = ranks or config.batch.ranks or recommended_ranks(at_once, config.mpi.workers_per_volume)
    memory = needed_memory_mb(stored_directories(config)) + (MB_OF_TREE if config.tree.enabled else 0)
    memory = max(config.batch.memory_mb, memory)
    return JobPlan(count, memory, dumps, missing, roles(count, dumps, config))


def stored_directories(config: Config) -> list[int]:
    """The number of stored rows of each volume's directory report. Empty if there is no database yet."""
    path = config.database.url.removeprefix("sqlite:///")
    if path != config.database.url and not Path(path).exists():
        return []
    database = Database(config.database)
    try:
        with database.reading() as connection:
            return count_directories(connection, [volume.name for volume in config.dumps.volumes])
    except StoreError:
        return []
    finally:
        database.close()


def needed_memory_mb(directories: Sequence[int]) -> int:
    """MB that rank 0 needs, more than any other rank: it holds the rows of all volumes and works on one of them.

    directories: rows of the directory report of each volume.
    """
    largest, total = max(directories, default=0), sum(directories)
    at_work, waiting = largest * BYTES_A_DIRECTORY, (total - largest) * BYTES_A_WAITING_DIRECTORY
    return MB_A_RANK + math.ceil(GROWTH * (at_work + waiting) / 10**6)


def not_stored(config: Config, dumps: list[Dump]) -> list[Dump]:
    """The dumps that the database does not hold yet; all if it cannot be read."""
    database = Database(config.database)
    try:
        with database.reading() as connection:
            return [dump for dump in dumps if not holds(connection, dump)]
    except StoreError:
        return dumps
    finally:
        database.close()


def recommended_ranks(dumps: list[Dump], workers_per_volume: int) -> int:
    """A coordinator, and for each dump a controller with as many workers as it can feed and the size is worth."""
    limit = min(workers_per_volume, WORKERS_FED)
    crews = [min(limit, math.ceil(dump.size / BYTES_A_WORKER)) for dump in dumps]
    return 1 + sum(1 + crew for crew in crews if crew) if dumps else 1


def roles(ranks: int, dumps: list[Dump], config: Config) -> list[Role]:
    """The roles in the order of the ranks."""
    if ranks < 2:
        return [Role([COORDINATOR], "coordinator, with threads as controllers and workers")]
    plan = make_plan(ranks, max(1, len(dumps)), config.mpi.workers_per_volume)
    planned = [Role([COORDINATOR], "coordinator")]
    crews = share(plan.workers, len(plan.controllers))
    for number, (controller, crew) in enumerate(zip(plan.controllers, crews, strict=True)):
        name = dumps[number].volume.name if number < len(dumps) else None
        planned.append(Role([controller], "controller" if crew else "controller, with threads as workers", name))
        if crew:
            planned.append(Role(crew, f"workers of rank {controller}", name))
    return planned
