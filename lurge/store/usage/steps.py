"""Removal of old rows, and swaps in steps: with a commit after each step, if one transaction cannot hold a whole swap.

In a swap in steps, the old rows of a volume's directories are tagged before the new ones are inserted, so that viewers
can distinguish them. The older tool used the same tags. A row of `unfinished_swap` holds the first new key of each
table, and whether all new rows are stored. If a run is killed, the next run deletes either the new rows or the old.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from lurge.store.database.bulk import insert_rows, next_id
from lurge.store.usage import schema
from lurge.store.usage.read.swaps import NUMBERED, OLD, TAGGED
from lurge.store.usage.read.volumes import directories_of, usage_of

ROWS_A_STEP = 10_000
TOTALS = ("group_id", "filetype_id", "age", "size", "num_directories")

Commit = Callable[[], None]


def stored_path(subdirectory: str) -> str:
    """Return a subdirectory's path as it is stored. One that looks tagged gets `./` in front, which means the same."""
    return f"./{subdirectory}" if subdirectory.startswith(OLD) else subdirectory


@dataclass(frozen=True)
class Change:
    """The change that a swap makes.

    directories: whether directories are replaced, too. first: the key of the first new row of each table in NUMBERED,
    by the table's name. summary, unattributed: the values of the rows of `volume_summary` and `unattributed_usage`.
    totals: the rows of `directory_totals`, as lists in the order of TOTALS; empty if directories are not replaced.
    """

    volume_id: int
    record_date: date
    directories: bool
    first: dict[str, int]
    summary: dict[str, Any]
    unattributed: list[dict[str, Any]]
    totals: list[list[int | None]]

    def rows(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Return a condition for the old and new rows of a table in NUMBERED."""
        if table is schema.directory:
            return directories_of(self.volume_id)
        if table is schema.lustre_usage:
            return usage_of(self.volume_id) & (table.c.record_date == self.record_date)
        return (table.c.volume_id == self.volume_id) & (table.c.record_date == self.record_date)

    def new(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return self.rows(table) & (key_of(table) >= self.first[table.name])

    def old(self, table: sa.Table) -> sa.ColumnElement[bool]:
        return self.rows(table) & (key_of(table) < self.first[table.name])


def key_of(table: sa.Table) -> sa.Column[int]:
    (key,) = table.primary_key.columns
    return key


def first_keys(connection: sa.Connection) -> dict[str, int]:
    """Return the first key of new rows in each table."""
    return {table.name: next_id(connection, table) for table in NUMBERED}


def begin(connection: sa.Connection, change: Change, commit: Commit) -> None:
    """Note the beginning of a swap, and tag the directories that it replaces."""
    note(connection, change, is_whole=False)
    commit()
    if change.directories:
        path = schema.directory.c.directory_path
        tagged = sa.literal(OLD).concat(path)
        for piece in pieces(connection, change.old(schema.directory) & sa.not_(TAGGED)):
            connection.execute(sa.update(schema.directory).where(piece, sa.not_(TAGGED)).values(directory_path=tagged))
            commit()


def note(connection: sa.Connection, change: Change, is_whole: bool) -> None:
    """Store the progress of a swap, in one statement, which is atomic."""
    table = schema.unfinished_swap
    values = {
        "record_date": change.record_date,
        "is_whole": is_whole,
        "directories": change.directories,
        "details": json.dumps([change.first, change.summary, change.unattributed, change.totals]),
    }
    of_volume = table.c.volume_id == change.volume_id
    if connection.execute(sa.select(table.c.volume_id).where(of_volume)).first():
        connection.execute(sa.update(table).where(of_volume).values(values))
    else:
        connection.execute(sa.insert(table).values(volume_id=change.volume_id, **values))


def unfinished(connection: sa.Connection, volume_id: int) -> tuple[Change, bool] | None:
    """Return the unfinished swap of a volume, if there is one, and whether all its new rows are stored."""
    table = schema.unfinished_swap
    row = connection.execute(sa.select(table).where(table.c.volume_id == volume_id)).one_or_none()
    if row is None:
        return None
    # A swap that began before an upgrade has no totals.
    first, summary, unattributed, *totals = json.loads(row.details)
    change = Change(volume_id, row.record_date, row.directories, first, summary, unattributed, *totals or [[]])
    return change, row.is_whole


def finish(connection: sa.Connection, change: Change, commit: Commit | None = None) -> None:
    """Delete the replaced rows, and store those without numbers. commit: called after each step, if given."""
    if change.directories:
        purge_directories(connection, change.old(schema.directory), commit)
    for table in NUMBERED[1:]:
        delete_rows(connection, table, change.old(table), commit)
    for table in (schema.unattributed_usage, schema.volume_summary):
        replaced = (table.c.volume_id == change.volume_id) & (table.c.record_date == change.record_date)
        connection.execute(sa.delete(table).where(replaced))
    key = {"volume_id": change.volume_id, "record_date": change.record_date}
    if change.unattributed:
        connection.execute(sa.insert(schema.unattributed_usage), [key | row for row in change.unattributed])
    connection.execute(sa.insert(schema.volume_summary).values(key | change.summary))
    if change.directories:
        forget_totals(connection, change.volume_id)
        day = change.record_date.isoformat()
        rows = ((change.volume_id, day, *total) for total in change.totals)
        insert_rows(connection, schema.directory_totals, ("volume_id", "record_date", *TOTALS), rows)
    if commit:
        forget(connection, change, commit)


def forget_totals(connection: sa.Connection, volume_id: int) -> None:
    """Delete the sums of a volume's directories. Readers then sum the directories themselves."""
    totals = schema.directory_totals
    connection.execute(sa.delete(totals).where(totals.c.volume_id == volume_id))


def undo(connection: sa.Connection, change: Change, commit: Commit) -> None:
    """Delete the new rows, and remove the tags of the old ones."""
    if change.directories:
        purge_directories(connection, change.new(schema.directory), commit)
        restore(connection, change.old(schema.directory), commit)
    for table in NUMBERED[1:]:
        delete_rows(connection, table, change.new(table), commit)
    forget(connection, change, commit)


def forget(connection: sa.Connection, change: Change, commit: Commit) -> None:
    commit()
    table = schema.unfinished_swap
    connection.execute(sa.delete(table).where(table.c.volume_id == change.volume_id))
    commit()


def restore(connection: sa.Connection, condition: sa.ColumnElement[bool], commit: Commit | None = None) -> None:
    """Remove one tag from each tagged directory for which `condition` holds."""
    path = schema.directory.c.directory_path
    for piece in pieces(connection, condition & TAGGED) if commit else [condition]:
        without = sa.func.substr(path, len(OLD) + 1)
        connection.execute(sa.update(schema.directory).where(piece, TAGGED).values(directory_path=without))
        if commit:
            commit()


def runs_of_keys(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[tuple[int, int]]:
    """Return the keys of some directories as runs (first, last) without gaps. A volume's keys form few runs."""
    key = schema.directory.c.directory_id
    number = sa.func.row_number().over(order_by=key)
    keys = sa.select(key, (key - number).label("run")).where(condition).subquery()
    runs = sa.select(sa.func.min(keys.c.directory_id), sa.func.max(keys.c.directory_id)).group_by(keys.c.run)
    return [(first, last) for first, last in connection.execute(runs)]


def pieces(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Iterator[sa.ColumnElement[bool]]:
    """Split `condition` into conditions that each hold for at most ROWS_A_STEP of its directories."""
    for first, last in runs_of_keys(connection, condition):
        for start in range(first, last + 1, ROWS_A_STEP):
            yield schema.directory.c.directory_id.between(start, min(last, start + ROWS_A_STEP - 1))


def purge_directories(
    connection: sa.Connection, condition: sa.ColumnElement[bool], commit: Commit | None = None
) -> None:
    """Delete directories and their file sizes."""
    runs = runs_of_keys(connection, condition)
    for table in (schema.file_size, schema.directory):
        for first, last in runs:
            step = ROWS_A_STEP if commit else last + 1 - first
            for start in range(first, last + 1, step):
                piece = table.c.directory_id.between(start, min(last, start + step - 1))
                connection.execute(sa.delete(table).where(piece))
                if commit:
                    commit()


def delete_rows(
    connection: sa.Connection, table: sa.Table, condition: sa.ColumnElement[bool], commit: Commit | None
) -> None:
    """Delete rows of a table with history."""
    if commit is None:
        connection.execute(sa.delete(table).where(condition))
        return
    key = key_of(table)
    query = sa.select(key).where(condition).order_by(key).limit(ROWS_A_STEP)
    while keys := connection.execute(query).scalars().all():
        connection.execute(sa.delete(table).where(condition, key <= keys[-1]))
        commit()
