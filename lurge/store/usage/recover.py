"""Restoring a whole state of a volume after a run that died: of this program, or of the older tool."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.dates import key_of
from lurge.store.usage.read.swaps import TAGGED
from lurge.store.usage.read.volumes import directories_of
from lurge.store.usage.steps import finish, purge_directories, restore, undo, unfinished

log = logging.getLogger(__name__)


def recover(database: Database, volume_name: str) -> None:
    """Restore what an interrupted run left of a volume. Raises StoreError."""

    def repair() -> None:
        with database.stepping() as connection:
            recover_swap(connection, volume_name)
        with database.writing() as connection:
            recover_tagged(connection, volume_name)

    database.retrying(repair)


def recover_swap(connection: sa.Connection, volume_name: str) -> None:
    """Bring a swap in steps to its end if all its new rows are there; otherwise take it back."""
    volume_id = key_of(connection, volume_name)
    found = unfinished(connection, volume_id) if volume_id is not None else None
    if found:
        change, is_whole = found
        log.warning("%s: the rows of %s were being replaced when a run died", volume_name, change.record_date)
        (finish if is_whole else undo)(connection, change, connection.commit)


def recover_tagged(connection: sa.Connection, volume_name: str) -> None:
    """Purge or restore the directories that an interrupted older tool has tagged.

    Those that are as many as the newest report had are whole. Otherwise tagged rows are purged if there are others.
    Rows that were tagged again and again are of several runs: the oldest, tagged most often, are a whole state.
    """
    volume_id = key_of(connection, volume_name)
    if volume_id is None:
        return
    mine = directories_of(volume_id)
    rows, tagged = count(connection, mine)
    if not tagged:
        return
    whole, others = reported_directories(connection, volume_id), rows - tagged
    if others and whole == rows:
        restore(connection, mine)
    elif others and whole == tagged != others:
        purge_directories(connection, mine & sa.not_(TAGGED))
        restore(connection, mine)
    elif others:
        purge_directories(connection, mine & TAGGED)
    else:
        while tagged:
            restore(connection, mine)
            rows, tagged = count(connection, mine)
            if tagged and tagged < rows:
                purge_directories(connection, mine & sa.not_(TAGGED))


def count(connection: sa.Connection, mine: sa.ColumnElement[bool]) -> tuple[int, int]:
    """(directories, those of them that are tagged)."""
    counts = sa.select(sa.func.count(), sa.func.sum(sa.cast(TAGGED, sa.Integer))).where(mine)
    rows, tagged = connection.execute(counts.select_from(schema.directory)).one()
    return rows, int(tagged or 0)


def reported_directories(connection: sa.Connection, volume_id: int) -> int | None:
    """The number of directories that the newest report of a volume had, if this program stored it."""
    summary = schema.volume_summary
    newest = sa.select(summary.c.directories).where(summary.c.volume_id == volume_id)
    return connection.execute(newest.order_by(summary.c.record_date.desc()).limit(1)).scalar()
