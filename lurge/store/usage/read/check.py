"""What a database looks like: its schema, its rows, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.database.area import revisions
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read import older
from lurge.store.usage.read.leftovers import complaints
from lurge.store.usage.read.swaps import TAGGED, takes_steps


@dataclass
class Findings:
    """revision: the schema's in the database; newest: the one it should have. rows: by table. volumes: newest dates.

    problems: what should be done something about, each with what to do.
    """

    database: str
    server: str
    revision: str | None
    newest: str | None
    rows: dict[str, int] = field(default_factory=dict)
    volumes: dict[str, date] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.database}: {self.server}, schema {self.revision or 'none'} of {self.newest}"
        for name, count in self.rows.items():
            yield f"  {name:<20} {count:>12,} rows"
        for name, day in self.volumes.items():
            yield f"  {name:<20} newest {day}"
        for note in self.notes:
            yield f"  note: {note}"
        for problem in self.problems:
            yield f"  PROBLEM: {problem}"
        if not self.problems:
            yield "  nothing is wrong"


def look_at(database: Database) -> Findings:
    """Look at a database in one transaction. Raises StoreError where it cannot be read."""
    with database.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        here, newest = revisions(connection, USAGE, tables)
        found = Findings(str(database), database.dialect.server(connection), here, newest)
        if older.begun(tables):
            found.problems.append("an adoption was interrupted: run `lurge db upgrade`, which goes on with it")
        elif here != newest:
            what = "it is the older tool's" if here is None and older.recognises(connection) else "it is not up to date"
            found.problems.append(f"{what}: run `lurge db upgrade`")
        if found.problems:
            return found
        for table in schema.metadata.sorted_tables:
            counted = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            found.rows[table.name] = counted
        look_at_volumes(connection, found)
        look_at_rows(connection, found)
        found.problems += complaints(connection)
        if why := takes_steps(database, connection):
            found.notes.append(f"rows are replaced in steps, not in a transaction: {why}")
        found.notes += database.dialect.notes(connection)
    return found


def look_at_volumes(connection: sa.Connection, found: Findings) -> None:
    summary, volume = schema.volume_summary, schema.volume
    newest = sa.select(volume.c.scratch_disk, sa.func.max(summary.c.record_date)).join_from(summary, volume)
    for name, day in connection.execute(newest.group_by(volume.c.scratch_disk)):
        found.volumes[name] = day


def look_at_rows(connection: sa.Connection, found: Findings) -> None:
    """Rows that refer to nothing, and what an interrupted older tool left."""
    tagged = connection.execute(sa.select(sa.func.count()).select_from(schema.directory).where(TAGGED)).scalar_one()
    if tagged:
        found.notes.append(f"{tagged} directories are tagged by an older tool; a report restores its volumes")
    for table in schema.metadata.sorted_tables:
        for key in table.foreign_keys:
            target = key.column
            lost = sa.select(sa.func.count()).select_from(table.outerjoin(target.table, key.parent == target))
            count = connection.execute(lost.where(key.parent.is_not(None), target.is_(None))).scalar_one()
            if count:
                found.problems.append(
                    f"{count} rows of {table.name} refer by {key.parent.name} to no {target.table.name}: restore them"
                )
