"""Check of a database: its schema, its rows, and its problems."""

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
    """The findings of a check.

    revision: of the schema in the database; newest: the revision that it should have. rows: their number by table.
    volumes: the newest date of each. problems: each with its remedy. notes: facts that need no action.
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
        """Yield the findings as lines of text."""
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
            yield "  no problems"


def look_at(database: Database) -> Findings:
    """Check a database in one transaction. Raises StoreError if it cannot be read."""
    with database.reading() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        revision, newest = revisions(connection, USAGE, tables)
        findings = Findings(str(database), database.dialect.server(connection), revision, newest)
        if older.begun(tables):
            findings.problems.append("an adoption was interrupted: run `lurge db upgrade`, which continues it")
        elif revision != newest:
            is_older = revision is None and older.recognises(connection)
            problem = "it is the older tool's" if is_older else "it is not up to date"
            findings.problems.append(f"{problem}: run `lurge db upgrade`")
        if findings.problems:
            return findings
        for table in schema.metadata.sorted_tables:
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            findings.rows[table.name] = count
        look_at_volumes(connection, findings)
        look_at_rows(connection, findings)
        findings.problems += complaints(connection)
        if reason := takes_steps(database, connection):
            findings.notes.append(f"rows are replaced in steps, not in a transaction: {reason}")
        findings.notes += database.dialect.notes(connection)
    return findings


def look_at_volumes(connection: sa.Connection, findings: Findings) -> None:
    """Find the newest date of each volume."""
    summary, volume = schema.volume_summary, schema.volume
    newest = sa.select(volume.c.scratch_disk, sa.func.max(summary.c.record_date)).join_from(summary, volume)
    for name, day in connection.execute(newest.group_by(volume.c.scratch_disk)):
        findings.volumes[name] = day


def look_at_rows(connection: sa.Connection, findings: Findings) -> None:
    """Find references to missing rows, and tags that an interrupted run of the older tool left."""
    tagged = connection.execute(sa.select(sa.func.count()).select_from(schema.directory).where(TAGGED)).scalar_one()
    if tagged:
        findings.notes.append(f"{tagged} directories are tagged by an older tool; the next report restores them")
    for table in schema.metadata.sorted_tables:
        for key in table.foreign_keys:
            target = key.column
            joined = sa.select(sa.func.count()).select_from(table.outerjoin(target.table, key.parent == target))
            count = connection.execute(joined.where(key.parent.is_not(None), target.is_(None))).scalar_one()
            if count:
                findings.problems.append(
                    f"{key.parent.name} of {count} rows of {table.name} refers to missing rows of {target.table.name}:"
                    " restore these"
                )
