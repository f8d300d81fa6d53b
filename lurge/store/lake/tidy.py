"""Retention, and removing files that no snapshot has."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.fs as fs

from lurge.store.lake.catalog import NAMESPACE, Lake, told
from lurge.store.lake.commit import committed
from lurge.store.lake.loads import LOADS, all_loads, keep_loads
from lurge.store.lake.locking import cleaning, loading

if TYPE_CHECKING:
    from pyiceberg.table import Table

GRACE = timedelta(days=1)
"""Age from which unused files in S3 are removed: a load may be writing younger ones."""


def expire(lake: Lake, days: int) -> tuple[int, int]:
    """Remove the rows of inventories that are older than some days, and the snapshots that have them.

    Returns the numbers of files and of snapshots. What each load was stays known. Raises LakeError.
    """
    from pyiceberg.expressions import LessThan

    oldest = (datetime.now(UTC) - timedelta(days=days)).date()
    old_rows = LessThan(term="dt", value=oldest.isoformat())
    with loading(lake), told(lake.place):
        table = lake.table()
        loads = all_loads(lake, table).values()
        # Before anything is removed: whatever dies then, no inventory counts whose rows may be gone.
        keep_loads(lake, (replace(load, is_expired=load.is_expired or load.date < oldest) for load in loads))
        files = sum(1 for _ in table.scan(old_rows).plan_files())
        if files:
            committed(lake, lambda table: table.delete(old_rows))
        return files, committed(lake, lambda table: expire_snapshots(table, oldest, files > 0))


def expire_snapshots(table: Table, oldest: date, has_removed: bool) -> int:
    """Remove the snapshots before a date, or all but the newest if it has not the rows of the others any more."""
    current = table.current_snapshot()
    midnight = datetime.combine(oldest, datetime.min.time(), UTC)
    old = [
        snapshot.snapshot_id
        for snapshot in table.metadata.snapshots
        if current and snapshot.snapshot_id != current.snapshot_id
        and (has_removed or datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC) < midnight)
    ]  # fmt: skip
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def clean(lake: Lake) -> list[str]:
    """Remove the files of the tables that no snapshot has; returns them. Raises LakeError, or LockHeld."""
    removed = []
    with cleaning(lake), told(lake.place):
        names = [(NAMESPACE, lake.name), (NAMESPACE, f"{lake.name}_{LOADS}")]
        for name in names:
            if lake.catalog.table_exists(name):
                table = lake.catalog.load_table(name)
                for path in unused(table, timedelta(0) if lake.is_local else GRACE):
                    table.io.delete(path)
                    removed.append(path)
    return removed


def unused(table: Table, grace: timedelta) -> Iterator[str]:
    """The files below a table's place that nothing names, and that are older than some time."""
    used = set(named(table))
    filesystem, folder, prefix = place_of(table)
    before = datetime.now(UTC) - grace
    # Nothing else below the place of a table is its own.
    for own in ("data", "metadata"):
        selector = fs.FileSelector(f"{folder}/{own}", recursive=True, allow_not_found=True)
        for entry in filesystem.get_file_info(selector):
            path = prefix + entry.path
            is_old = entry.mtime is None or entry.mtime <= before
            if entry.type == fs.FileType.File and path not in used and is_old:
                yield path


def place_of(table: Table) -> tuple[Any, str, str]:
    """The file system of a table, its folder there, and what stands before it in the names of files."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    io: Any = table.io
    location = table.location()
    scheme, netloc, folder = PyArrowFileIO.parse_location(location, io.properties)
    return io.fs_by_scheme(scheme, netloc), folder, location.removesuffix(folder)


def named(table: Table) -> Iterator[str]:
    """Every file that the metadata of a table name."""
    yield table.metadata_location
    for earlier in table.metadata.metadata_log:
        yield earlier.metadata_file
    # What other engines read to find the newest metadata without a catalog.
    yield posixpath.join(table.location(), "metadata", "version-hint.text")
    for statistics in (*table.metadata.statistics, *table.metadata.partition_statistics):
        yield statistics.statistics_path
    seen = set()
    for snapshot in table.metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                yield manifest.manifest_path
                for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                    yield entry.data_file.file_path
