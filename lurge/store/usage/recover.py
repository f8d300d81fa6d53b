"""Recovery of a volume's rows after a run was killed: a run of lurge, or of the older tool."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.dates import key_of
from lurge.store.usage.read.swaps import TAGGED
from lurge.store.usage.read.volumes import directories_of
from lurge.store.usage.steps import finish, forget_totals, purge_directories, restore, undo, unfinished

log = logging.getLogger(__name__)


def recover(database: Database, volume_name: str) -> None:
    """Restore a complete state of a volume, if an interrupted run left another. Raises StoreError."""

    def recover_volume() -> None:
        with database.stepping() as connection:
            recover_swap(connection, volume_name)
        with database.writing() as connection:
            recover_tagged(connection, volume_name)

    database.retrying(recover_volume)


def recover_swap(connection: sa.Connection, volume_name: str) -> None:
    """Finish a swap in steps if all its new rows are stored; otherwise undo it."""
    volume_id = key_of(connection, volume_name)
    swap = unfinished(connection, volume_id) if volume_id is not None else None
    if swap:
        change, is_whole = swap
        log.warning("%s: a run was killed while it replaced the rows of %s", volume_name, change.record_date)
        (finish if is_whole else undo)(connection, change, connection.commit)


def recover_tagged(connection: sa.Connection, volume_name: str) -> None:
    """Purge or restore the directories that an interrupted run of the older tool has tagged.

    The newest report of lurge tells the number of rows that are complete. If all rows together are as many, the tags
    are removed. If only the tagged rows are as many, they are restored and the others purged. Otherwise the tagged rows
    are purged. If there are only tagged rows, those with the most tags are restored: each interrupted run adds a tag,
    so these are the oldest rows, which are complete.
    """
    volume_id = key_of(connection, volume_name)
    if volume_id is None:
        return
    of_volume = directories_of(volume_id)
    rows, tagged = count(connection, of_volume)
    if not tagged:
        return
    forget_totals(connection, volume_id)
    reported, untagged = reported_directories(connection, volume_id), rows - tagged
    if untagged and reported == rows:
        restore(connection, of_volume)
    elif untagged and reported == tagged != untagged:
        purge_directories(connection, of_volume & sa.not_(TAGGED))
        restore(connection, of_volume)
    elif untagged:
        purge_directories(connection, of_volume & TAGGED)
    else:
        while tagged:
            restore(connection, of_volume)
            rows, tagged = count(connection, of_volume)
            if tagged and tagged < rows:
                purge_directories(connection, of_volume & sa.not_(TAGGED))


def count(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> tuple[int, int]:
    """Count some directories. Returns (their number, the number of tagged ones)."""
    counts = sa.select(sa.func.count(), sa.func.sum(sa.cast(TAGGED, sa.Integer))).where(condition)
    rows, tagged = connection.execute(counts.select_from(schema.directory)).one()
    return rows, int(tagged or 0)


def reported_directories(connection: sa.Connection, volume_id: int) -> int | None:
    """Return the number of directories in the newest report of a volume; None if lurge stored none."""
    summary = schema.volume_summary
    newest = sa.select(summary.c.directories).where(summary.c.volume_id == volume_id)
    return connection.execute(newest.order_by(summary.c.record_date.desc()).limit(1)).scalar()
