"""The recipe of the job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from lurge.errors import OutputError, UsageError
from lurge.pipeline.frame.job import Job
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.frame.recipe import Recipe
from tests.toys.area import TOYS, toys

LOAD = Recipe("toy_load", ("look", "insert"), TOYS)


@dataclass
class Loaded(Outcome):
    """The number of toys that were loaded."""

    toys: int

    def lines(self) -> Iterator[str]:
        yield f"{self.toys} toys"
        yield from super().lines()


def load(job: Job, file: Path) -> Loaded:
    """Load a file, in one transaction."""
    with job.step("look") as facts:
        if not file.exists():
            raise UsageError(f"{file}: no such file", "Give a file of toys.")
        facts["bytes"] = file.stat().st_size
    job.watcher.started(file.name, facts["bytes"])
    count = position = 0
    with job.step("insert"), file.open() as lines, job.database.writing() as connection:
        for count, line in enumerate(iter(lines.readline, ""), 1):
            connection.execute(sa.insert(toys).values(size=int(line)))
            position += len(line)
            job.watcher.advanced(file.name, position, count)
        job.lock.confirm()
    job.watcher.ended(file.name, None)
    return Loaded(count, error=None if count else OutputError(f"{file} has no toys", "Buy some."))
