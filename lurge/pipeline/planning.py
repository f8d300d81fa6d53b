"""Who would do what with so many ranks, and how many there should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from lurge.config import Config
from lurge.errors import LurgeError, StoreError
from lurge.model.dump import Dump
from lurge.parallel.plan import COORDINATOR, WORKERS_FED, make_plan, share
from lurge.pipeline.backfill import older_dumps
from lurge.source.finding import newest_dump
from lurge.store.database import Database
from lurge.store.usage.read.dates import stored_dates
from lurge.store.usage.read.volumes import count_directories

BYTES_A_WORKER = 64 << 20
"""Compressed bytes of a dump below which another worker is not worth its start."""


MB_A_RANK, BYTES_A_DIRECTORY, BYTES_A_WAITING_DIRECTORY = 270, 440, 170
"""Memory of a rank, measured: docs/performance.md."""

GROWTH = 1.2
"""How much larger than the stored report tonight's may well be."""


@dataclass(frozen=True)
class Role:
    """What some ranks do; volumes: what a controller reads first."""

    ranks: list[int]
    role: str
    volume: str | None = None


@dataclass(frozen=True)
class JobPlan:
    """What there is to read, largest first, what is missing, and who reads it."""

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
    """The plan for tonight's dumps, or those that a backfill would read. ranks: None for as many as there should be."""
    dumps: list[Dump] = []
    missing = {}
    if backfill:
        dumps = not_stored(config, older_dumps(config, since))
    else:
        today = datetime.now(UTC).date()
        for volume in config.dumps.volumes:
            try:
                dumps.append(newest_dump(config.dumps.directory, volume, today, config.dumps.max_days_ago))
            except LurgeError as error:
                missing[volume.name] = error.message
    dumps.sort(key=lambda dump: -dump.size)
    at_once = dumps[: len(config.dumps.volumes)] if not backfill else dumps[:1]
    count = ranks or config.batch.ranks or recommended_ranks(at_once, config.mpi.workers_per_volume)
    memory = max(config.batch.memory_mb, needed_memory_mb(stored_directories(config)))
    return JobPlan(count, memory, dumps, missing, roles(count, dumps, config))


def stored_directories(config: Config) -> list[int]:
    """Rows of the directory report that are stored of each volume; none where there is no database yet."""
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
    """MB that the rank needs that needs most: rank 0, which holds the rows of all volumes and works on one of them.

    directories: rows of the directory report of each volume.
    """
    largest, total = max(directories, default=0), sum(directories)
    at_work, waiting = largest * BYTES_A_DIRECTORY, (total - largest) * BYTES_A_WAITING_DIRECTORY
    return MB_A_RANK + math.ceil(GROWTH * (at_work + waiting) / 10**6)


def not_stored(config: Config, dumps: list[Dump]) -> list[Dump]:
    """Those that a database which is there does not hold yet; all where there is none."""
    database = Database(config.database)
    try:
        with database.reading() as connection:
            known = {volume.name: stored_dates(connection, volume.name) for volume in config.dumps.volumes}
    except StoreError:
        return dumps
    finally:
        database.close()
    return [dump for dump in dumps if dump.record_date not in known[dump.volume.name]]


def recommended_ranks(dumps: list[Dump], workers_per_volume: int) -> int:
    """A coordinator, and for every dump a controller with as many workers as it feeds and its size is worth."""
    most = min(workers_per_volume, WORKERS_FED)
    crews = [min(most, math.ceil(dump.size / BYTES_A_WORKER)) for dump in dumps]
    return 1 + sum(1 + crew for crew in crews if crew) if dumps else 1


def roles(ranks: int, dumps: list[Dump], config: Config) -> list[Role]:
    """Who does what, in the order of the ranks."""
    if ranks < 2:
        return [Role([COORDINATOR], "coordinator, with threads as controllers and workers")]
    plan = make_plan(ranks, max(1, len(dumps)), config.mpi.workers_per_volume)
    found = [Role([COORDINATOR], "coordinator")]
    crews = share(plan.workers, len(plan.controllers))
    for number, (controller, crew) in enumerate(zip(plan.controllers, crews, strict=True)):
        name = dumps[number].volume.name if number < len(dumps) else None
        found.append(Role([controller], "controller" if crew else "controller, with threads as workers", name))
        if crew:
            found.append(Role(crew, f"workers of rank {controller}", name))
    return found
