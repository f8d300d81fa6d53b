"""Checks of the database: whether it answers and may be written, then each of its areas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lurge.config import Config
from lurge.pipeline.doctor.finding import Finding, Verdict
from lurge.pipeline.outputs import obstacle
from lurge.store.database import Database
from lurge.store.database.area import Area
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at


@dataclass(frozen=True)
class AreaCheck:
    """A check of the tables of one area."""

    area: Area
    look: Callable[[Database], Iterator[Finding]]


def check_usage(database: Database) -> Iterator[Finding]:
    """Look at the schema and the rows of the nightly report."""
    state = look_at(database)
    yield Finding("database", Verdict.OK, f"{state.database}: {state.server}, schema {state.revision or 'none yet'}")
    for note in state.notes:
        yield Finding("database", Verdict.WARNING, note, "docs/security.md and docs/operations.md have more.")
    for problem in state.problems:
        yield Finding("database", Verdict.WARNING, problem, "Look with `lurge db check`.")


AREAS = (AreaCheck(USAGE, check_usage),)


def check_database(config: Config, areas: Sequence[AreaCheck] = AREAS) -> Iterator[Finding]:
    """Check that the database answers, each of its areas, and that the user may write all tables."""
    path = config.database.url.removeprefix("sqlite:///")
    if path != config.database.url and obstacle(Path(path).parent):
        # The check of directories says so.
        return
    database = Database(config.database)
    try:
        if not database.dialect.exists():
            yield Finding("database", Verdict.OK, f"{database} will be made")
            return
        for check in areas:
            yield from check.look(database)
        tables = [table for check in areas for table in check.area.metadata.tables]
        if missing := database.missing_privileges(tables):
            problem = f"database.url: the user lacks {', '.join(missing)} on {database}"
            yield Finding("database", Verdict.FAILURE, problem, f"GRANT {', '.join(missing)} to this user.")
    finally:
        database.close()
