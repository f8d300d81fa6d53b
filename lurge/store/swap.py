"""Storing one volume's report in one transaction, so that a reader sees the old rows or the new, never a mixture.

The rows to replace need no tag: until the transaction ends, nobody else sees that they are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa

from lurge.errors import ReconciliationError
from lurge.model.directories import to_days
from lurge.model.dump import Dump, date_of, days_before
from lurge.model.forecast import OK, Forecaster
from lurge.model.names import Group
from lurge.model.report import GroupUsage, Unattributed, UserUsage, VolumeReport
from lurge.model.sizes import to_gib
from lurge.model.stored import LARGEST
from lurge.store import schema
from lurge.store.bulk import Row, ids_of, insert_rows, next_id, unchecked_keys
from lurge.store.database import Database
from lurge.store.sums import capped, capped_sizes, excess, halves, joined
from lurge.store.volumes import directories_of, usage_of
from lurge.store.warnings import warn

Sized = GroupUsage | UserUsage | Unattributed
Check = tuple[sa.ColumnElement[Any], sa.ColumnElement[bool], int, Sequence[Sized]]
"""A column to sum, which of its rows are meant, the bytes that were counted, and the rows that were to be stored."""

OLD = ".hgi.old."
"""What the older tool tags the rows with that it is about to replace."""


@dataclass(frozen=True)
class NamedReport:
    """A volume's report with what other sources say: names of its groups, users and filetypes, and quotas.

    quotas: bytes by gid, missing where there is none. backfilled: whether the quotas are of a later day than the dump.
    """

    dump: Dump
    report: VolumeReport
    groups: dict[int, Group]
    users: dict[int, str]
    filetypes: Sequence[str]
    forecast: Forecaster
    quotas: Mapping[int, int] = field(default_factory=dict)
    backfilled: bool = False


def stored_path(subdirectory: str) -> str:
    """A subdirectory's path as stored: one that looks tagged gets a `./`, which means the same."""
    return f"./{subdirectory}" if subdirectory.startswith(OLD) else subdirectory


TAGGED = sa.func.hex(sa.func.substr(schema.directory.c.directory_path, 1, len(OLD))) == OLD.encode().hex().upper()
"""By its bytes: text compares without case."""


def runs_of_keys(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[tuple[int, int]]:
    """The keys of some directories as runs (first, last) without gaps: a volume's keys were given in a row."""
    key = schema.directory.c.directory_id
    place = sa.func.row_number().over(order_by=key)
    keys = sa.select(key, (key - place).label("run")).where(condition).subquery()
    runs = sa.select(sa.func.min(keys.c.directory_id), sa.func.max(keys.c.directory_id)).group_by(keys.c.run)
    return [(first, last) for first, last in connection.execute(runs)]


def purge_directories(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    """Delete directories and the file sizes that belong to them."""
    runs = runs_of_keys(connection, condition)
    for table in (schema.file_size, schema.directory):
        for first, last in runs:
            connection.execute(sa.delete(table).where(table.c.directory_id.between(first, last)))


def stored_dates(connection: sa.Connection, volume_name: str) -> set[date]:
    """The record dates that the database holds of a volume."""
    summary, usage, base = schema.volume_summary, schema.lustre_usage, schema.base_directory
    volume_id = sa.select(schema.volume.c.volume_id).where(schema.volume.c.scratch_disk == volume_name)
    query = sa.union(
        sa.select(summary.c.record_date).where(summary.c.volume_id.in_(volume_id)),
        sa.select(usage.c.record_date)
        .join(base)
        .where(base.c.volume_id.in_(volume_id), usage.c.record_date.is_not(None))
        .distinct(),
    )
    return set(connection.execute(query).scalars())


def is_outdated(connection: sa.Connection, dump: Dump) -> bool:
    """Whether what is stored of a dump's date comes from an older dump of that date."""
    summary, volume = schema.volume_summary, schema.volume
    query = sa.select(summary.c.dump_modified).join(volume)
    mine = query.where(volume.c.scratch_disk == dump.volume.name, summary.c.record_date == dump.record_date)
    modified = connection.execute(mine).scalar()
    return modified is not None and modified < dump.modified


def recover(database: Database, volume_name: str) -> None:
    """Mend what an interrupted older tool left of a volume: tagged rows are purged, or restored where no others are.

    Rows that were tagged again and again are of several runs: the oldest, tagged most often, are a whole state.
    """

    def mend() -> None:
        with database.writing() as connection:
            recover_in(connection, volume_name)

    database.retrying(mend)


def recover_in(connection: sa.Connection, volume_name: str) -> None:
    known = sa.select(schema.volume.c.volume_id).where(schema.volume.c.scratch_disk == volume_name)
    volume_id = connection.execute(known).scalar()
    if volume_id is None:
        return
    mine = directories_of(volume_id)
    counts = sa.select(sa.func.count(), sa.func.sum(sa.cast(TAGGED, sa.Integer))).where(mine)
    rows, tagged = connection.execute(counts.select_from(schema.directory)).one()
    if tagged and tagged < rows:
        purge_directories(connection, mine & TAGGED)
        return
    path = schema.directory.c.directory_path
    while tagged:
        restored = sa.func.substr(path, len(OLD) + 1)
        connection.execute(sa.update(schema.directory).where(mine).values(directory_path=restored))
        rows, tagged = connection.execute(counts.select_from(schema.directory)).one()
        if tagged and tagged < rows:
            purge_directories(connection, mine & sa.not_(TAGGED))


def store_volume(database: Database, named: NamedReport, confirm: Callable[[], None] = lambda: None) -> None:
    """Replace what is stored of the volume's record date; of its directories, if nothing newer is stored.

    A size that no number of the database holds is stored as the largest, and marked; `larger_than_stored` names it.
    Raises ReconciliationError where what was stored does not add up to what was counted, StoreError where the database
    refuses; then nothing was changed. confirm: called before every try, to raise where the database may not be changed
    any more.
    """

    def swap() -> None:
        confirm()
        with database.writing() as connection:
            Swap(connection, named).run()

    database.retrying(swap)


class Swap:
    """The statements of one volume's transaction."""

    def __init__(self, connection: sa.Connection, named: NamedReport) -> None:
        self._connection = connection
        self._report = named.report
        self._named = named
        self._date = named.dump.record_date
        dates = stored_dates(connection, named.dump.volume.name)
        self._is_newest = not dates or self._date >= max(dates)
        (self._volume,) = ids_of(connection, schema.volume, [named.dump.volume.name]).values()
        groups = ids_of(connection, schema.unix_group, (group.name for group in named.groups.values()))
        self._groups = {gid: groups[group.name] for gid, group in named.groups.items()}
        pis = ids_of(connection, schema.pi, (group.pi for group in named.groups.values() if group.pi))
        self._pis = {gid: pis[group.pi] if group.pi else None for gid, group in named.groups.items()}
        users = ids_of(connection, schema.user, named.users.values())
        self._users = {uid: users[name] for uid, name in named.users.items()}
        self._bases = self._base_ids()

    def run(self) -> None:
        if self._is_newest:
            with unchecked_keys(self._connection):
                self._replace_directories()
        self._delete_history()
        self._insert_groups()
        warn(self._connection, self._volume, self._date, self._named.forecast)
        self._insert_users()
        self._insert_vault()
        self._insert_summary()
        self._reconcile()

    def _base_ids(self) -> dict[str, int]:
        table = schema.base_directory
        known = {
            path: number
            for number, path in self._connection.execute(
                sa.select(table.c.base_directory_id, table.c.directory_path).where(table.c.volume_id == self._volume)
            )
        }
        missing = sorted({row.base for row in self._report.groups} - known.keys())
        first = next_id(self._connection, table)
        added = dict(zip(missing, range(first, first + len(missing)), strict=True))
        rows = ((number, path, self._volume) for path, number in added.items())
        insert_rows(self._connection, table, ("base_directory_id", "directory_path", "volume_id"), rows)
        return known | added

    def _replace_directories(self) -> None:
        """Purge the old rows, insert the new: nobody sees one without the other before the transaction ends."""
        table, mine = schema.directory, directories_of(self._volume)
        first = next_id(self._connection, table)
        purge_directories(self._connection, mine)
        insert_rows(
            self._connection,
            table,
            (
                "directory_id",
                "directory_path",
                "num_files",
                "size",
                "last_modified",
                "pi_id",
                "group_id",
                "base_directory_id",
                "size_bytes",
                "capped",
            ),
            self._directory_rows(first),
        )
        insert_rows(
            self._connection,
            schema.file_size,
            ("directory_id", "filetype_id", "size", "size_bytes"),
            self._file_size_rows(first),
        )
        files = sa.func.coalesce(sa.func.sum(table.c.num_files), 0)
        stored = self._connection.execute(sa.select(sa.func.count(), files).select_from(table).where(mine)).one()
        wanted = (len(self._report.directories), int(self._report.directories.files.sum()))
        if tuple(stored) != wanted:
            raise ReconciliationError(
                f"{self._named.dump.volume.name}: {stored[0]} directories of {stored[1]} files are stored,"
                f" but {wanted[0]} of {wanted[1]} were reported"
            )

    def _directory_rows(self, first: int) -> Iterator[Row]:
        """The directories, of which the first gets the key `first`."""
        found = self._report.directories
        bases = [self._bases.get(base) for base in found.bases]
        for part in found.parts():
            gids = found.gid[part].tolist()
            yield from zip(
                range(first + part.start, first + part.stop),
                map(stored_path, found.subdirectories(part)),
                found.files[part].tolist(),
                to_gib(found.size[part]),
                to_days(self._date, found.newest[part]),
                [self._pis[gid] for gid in gids],
                [self._groups[gid] for gid in gids],
                [bases[base] for base in found.base[part].tolist()],
                capped_sizes(found.size[part]),
                (found.size[part] > LARGEST).tolist(),
                strict=True,
            )

    def _file_size_rows(self, first: int) -> Iterator[Row]:
        """The sizes by filetype that are not 0, of the directories of which the first has the key `first`."""
        found, names = self._report.directories, self._named.filetypes
        ids = ids_of(self._connection, schema.filetype, names)
        keys = np.array([ids[name] for name in names], np.int64)
        for part in found.parts():
            sizes = found.filetype_sizes[part]
            row, filetype = np.nonzero(sizes)
            values = sizes[row, filetype]
            numbers = (row + (first + part.start)).tolist()
            yield from zip(numbers, keys[filetype].tolist(), to_gib(values), capped_sizes(values), strict=True)

    def _delete_history(self) -> None:
        usage = schema.lustre_usage
        self._connection.execute(sa.delete(usage).where(usage.c.record_date == self._date, usage_of(self._volume)))
        for table in (schema.user_usage, schema.vault, schema.unattributed_usage, schema.volume_summary):
            of_today = (table.c.volume_id == self._volume) & (table.c.record_date == self._date)
            self._connection.execute(sa.delete(table).where(of_today))

    def _insert_groups(self) -> None:
        day = self._date.isoformat()
        insert_rows(
            self._connection,
            schema.lustre_usage,
            (
                "used",
                "quota",
                "record_date",
                "last_modified",
                "pi_id",
                "unix_id",
                "warning_id",
                "base_directory_id",
                "quota_backfilled",
                "capped",
            ),
            (
                (
                    size,
                    self._named.quotas.get(row.gid),
                    day,
                    days_before(self._date, row.newest),
                    self._pis[row.gid],
                    self._groups[row.gid],
                    OK,
                    self._bases[row.base],
                    int(self._named.backfilled),
                    is_capped,
                )
                for row in self._report.groups
                for size, is_capped in [capped(row.size)]
            ),
        )
        insert_rows(
            self._connection,
            schema.unattributed_usage,
            ("volume_id", "record_date", "group_id", "num_records", "used", "capped"),
            (
                (self._volume, day, self._groups[row.gid], row.records, *capped(row.size))
                for row in self._report.unattributed
            ),
        )

    def _insert_users(self) -> None:
        day = self._date.isoformat()
        insert_rows(
            self._connection,
            schema.user_usage,
            ("record_date", "user_id", "group_id", "volume_id", "last_modified", "num_files", "size", "capped"),
            (
                (
                    day,
                    self._users[row.uid],
                    self._groups[row.gid],
                    self._volume,
                    date_of(row.newest).isoformat(),
                    row.files,
                    *capped(row.size),
                )
                for row in self._report.users
            ),
        )

    def _insert_vault(self) -> None:
        day = self._date.isoformat()
        actions = ids_of(self._connection, schema.vault_actions, {row.state for row in self._report.vault})
        insert_rows(
            self._connection,
            schema.vault,
            (
                "record_date",
                "filepath",
                "group_id",
                "vault_action_id",
                "size",
                "user_id",
                "last_modified",
                "volume_id",
            ),
            (
                (
                    day,
                    row.path,
                    self._groups[row.gid],
                    actions[row.state],
                    row.size,
                    self._users[row.uid],
                    date_of(row.mtime).isoformat(),
                    self._volume,
                )
                for row in self._report.vault
            ),
        )

    def _insert_summary(self) -> None:
        counts = self._report.counts
        attributed, more_attributed = capped(counts.attributed_bytes)
        unattributed, more_unattributed = capped(counts.unattributed_bytes)
        self._connection.execute(
            sa.insert(schema.volume_summary).values(
                volume_id=self._volume,
                record_date=self._date,
                records=counts.records,
                attributed=counts.attributed,
                unattributed=counts.unattributed,
                vanished=counts.vanished,
                rejected=counts.rejected,
                attributed_bytes=attributed,
                unattributed_bytes=unattributed,
                capped=bool(more_attributed or more_unattributed),
                dump_modified=self._named.dump.modified,
            )
        )

    def _reconcile(self) -> None:
        """Compare what the database now holds with what was counted while reading."""
        usage, users, outside = schema.lustre_usage, schema.user_usage, schema.unattributed_usage
        counts, report = self._report.counts, self._report
        both = counts.attributed_bytes + counts.unattributed_bytes
        checks: dict[str, Check] = {
            "group usage": (usage.c.used, usage_of(self._volume), counts.attributed_bytes, report.groups),
            "unattributed usage": (
                outside.c.used,
                outside.c.volume_id == self._volume,
                counts.unattributed_bytes,
                report.unattributed,
            ),
            "user usage": (users.c.size, users.c.volume_id == self._volume, both, report.users),
        }
        for what, (column, mine, counted, rows) in checks.items():
            expected = counted - excess(row.size for row in rows)
            query = sa.select(*halves(column)).where(mine, column.table.c.record_date == self._date)
            high, low = tuple(self._connection.execute(query).one())
            stored = joined(high, low)
            if stored != expected:
                raise ReconciliationError(
                    f"{self._named.dump.volume.name}: the stored {what} is {stored} bytes, but {expected} were counted"
                )
