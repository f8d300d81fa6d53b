"""The swap: it stores one volume's report in one transaction, so that readers see the old rows or the new, never both.

If one transaction cannot hold all statements, the same statements make a swap in steps: see steps.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import sqlalchemy as sa

from lurge.errors import LurgeError, ReconciliationError, StoreError, StoreUnavailable
from lurge.model.directories import to_days
from lurge.model.dump import Dump, date_of, days_before
from lurge.model.forecast import OK, Forecaster
from lurge.model.names import Group
from lurge.model.overview import group_kinds
from lurge.model.report import GroupUsage, Unattributed, UserUsage, VolumeReport
from lurge.model.sizes import to_gib
from lurge.model.stored import LARGEST
from lurge.store.database import Database
from lurge.store.database.bulk import ids_of, insert_rows, next_id, storable, unchecked_keys
from lurge.store.database.dialect import Row
from lurge.store.usage import schema
from lurge.store.usage.read.dates import stored_dates
from lurge.store.usage.read.swaps import takes_steps
from lurge.store.usage.recover import recover_swap
from lurge.store.usage.steps import (
    ROWS_A_STEP,
    Change,
    Commit,
    begin,
    finish,
    first_keys,
    note,
    stored_path,
)  # fmt: skip
from lurge.store.usage.sums import capped, capped_sizes, excess, halves, joined
from lurge.store.usage.warnings import warn_after, warn_of

log = logging.getLogger(__name__)

Sized = GroupUsage | UserUsage | Unattributed


@dataclass(frozen=True)
class NamedReport:
    """A volume's report with the names of its groups, users and filetypes, and with quotas.

    quotas: bytes by gid; a group without a quota is missing. backfilled: whether the quotas are of a later day than the
    dump.
    """

    dump: Dump
    report: VolumeReport
    groups: dict[int, Group]
    users: dict[int, str]
    filetypes: Sequence[str]
    forecast: Forecaster
    quotas: Mapping[int, int] = field(default_factory=dict)
    backfilled: bool = False


def store_volume(database: Database, named: NamedReport, confirm: Callable[[], None] = lambda: None) -> None:
    """Replace the rows of the volume's record date, and its directories if no newer date is stored.

    A size that is larger than the database can store is stored as the largest possible, and marked; see
    `larger_than_stored`. confirm: called before every attempt; it raises if the database may not be changed any more.
    Raises ReconciliationError if the stored rows do not add up to the counters, StoreError for an error of the
    database. Then nothing is changed.
    """

    def swap() -> None:
        confirm()
        with database.reading() as connection:
            in_steps = takes_steps(database, connection)
        if in_steps:
            log.info("%s: rows are replaced in steps: %s", named.dump.volume.name, in_steps)
            swap_in_steps(database, named)
            return
        with database.writing() as connection:
            Swap(connection, named).run()

    database.retrying(swap)


def swap_in_steps(database: Database, named: NamedReport) -> None:
    """Swap with a commit after every step. If it fails, the old rows are restored, at the latest by the next run."""
    name = named.dump.volume.name
    try:
        with database.stepping() as connection:
            recover_swap(connection, name)
            Swap(connection, named, connection.commit).run()
    except StoreUnavailable:
        raise
    except LurgeError:
        with suppress(StoreError), database.stepping() as connection:
            recover_swap(connection, name)
        raise


class Swap:
    """The statements that store one volume: steps if there is a `commit`, else part of a transaction."""

    def __init__(self, connection: sa.Connection, named: NamedReport, commit: Commit | None = None) -> None:
        self._connection = connection
        self._report = named.report
        self._named = named
        self._commit = commit
        self._date = named.dump.record_date
        dates = stored_dates(connection, named.dump.volume.name)
        (self._volume,) = ids_of(connection, schema.volume, [named.dump.volume.name]).values()
        groups = ids_of(connection, schema.unix_group, (group.name for group in named.groups.values()))
        self._groups = {gid: groups[group.name] for gid, group in named.groups.items()}
        pis = ids_of(connection, schema.pi, (group.pi for group in named.groups.values() if group.pi))
        self._pis = {gid: pis[group.pi] if group.pi else None for gid, group in named.groups.items()}
        users = ids_of(connection, schema.user, named.users.values())
        self._users = {uid: users[name] for uid, name in named.users.items()}
        self._bases = self._base_ids()
        filetypes = ids_of(connection, schema.filetype, named.filetypes)
        self._filetypes = [filetypes[name] for name in named.filetypes]
        is_newest = not dates or self._date >= max(dates)
        self._change = Change(
            volume_id=self._volume,
            record_date=self._date,
            directories=is_newest,
            first=first_keys(connection),
            summary=self._summary(),
            unattributed=self._unattributed(),
            totals=self._totals() if is_newest else [],
        )

    def run(self) -> None:
        if self._commit:
            begin(self._connection, self._change, self._commit)
        if self._change.directories:
            with unchecked_keys(self._connection):
                self._insert_directories()
        self._insert_groups()
        self._insert_users()
        self._insert_vault()
        usage = schema.lustre_usage
        warn_of(self._connection, self._volume, self._date, self._named.forecast, self._change.old(usage))
        self._reconcile()
        if self._commit:
            note(self._connection, self._change, is_whole=True)
            self._commit()
        finish(self._connection, self._change, self._commit)
        warn_after(self._connection, self._volume, self._date, self._named.forecast)
        if self._commit:
            self._commit()

    def _insert(self, table: sa.Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows, in steps if there is a `commit`."""
        if self._commit is None:
            insert_rows(self._connection, table, columns, rows)
            return
        rows = iter(rows)
        while step := list(islice(rows, ROWS_A_STEP)):
            insert_rows(self._connection, table, columns, step)
            self._commit()

    def _base_ids(self) -> dict[str, int]:
        table = schema.base_directory
        known = {
            path: number
            for number, path in self._connection.execute(
                sa.select(table.c.base_directory_id, table.c.directory_path).where(table.c.volume_id == self._volume)
            )
        }
        stored = {row.base: storable(self._connection, row.base) for row in self._report.groups}
        missing = sorted(set(stored.values()) - known.keys())
        first = next_id(self._connection, table)
        added = dict(zip(missing, range(first, first + len(missing)), strict=True))
        rows = ((number, path, self._volume) for path, number in added.items())
        insert_rows(self._connection, table, ("base_directory_id", "directory_path", "volume_id"), rows)
        keys = known | added
        return {base: keys[path] for base, path in stored.items()}

    def _insert_directories(self) -> None:
        table, first = schema.directory, self._change.first[schema.directory.name]
        self._insert(
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
        self._insert(
            schema.file_size,
            ("directory_id", "filetype_id", "size", "size_bytes"),
            self._file_size_rows(first),
        )
        files = sa.func.coalesce(sa.func.sum(table.c.num_files), 0)
        new = sa.select(sa.func.count(), files).select_from(table).where(self._change.new(table))
        stored = self._connection.execute(new).one()
        reported = (len(self._report.directories), int(self._report.directories.files.sum()))
        if tuple(stored) != reported:
            raise ReconciliationError(
                f"{self._named.dump.volume.name}: {stored[0]} directories with {stored[1]} files are stored,"
                f" but {reported[0]} with {reported[1]} were counted"
            )

    def _directory_rows(self, first: int) -> Iterator[Row]:
        """Yield the directories. The first gets the key `first`."""
        directories = self._report.directories
        bases = [self._bases.get(base) for base in directories.bases]
        for part in directories.parts():
            gids = directories.gid[part].tolist()
            yield from zip(
                range(first + part.start, first + part.stop),
                map(stored_path, directories.subdirectories(part)),
                directories.files[part].tolist(),
                to_gib(directories.size[part]),
                to_days(self._date, directories.newest[part]),
                [self._pis[gid] for gid in gids],
                [self._groups[gid] for gid in gids],
                [bases[base] for base in directories.base[part].tolist()],
                capped_sizes(directories.size[part]),
                (directories.size[part] > LARGEST).tolist(),
                strict=True,
            )

    def _file_size_rows(self, first: int) -> Iterator[Row]:
        """Yield the sizes by filetype that are not 0. The first directory has the key `first`."""
        directories, keys = self._report.directories, np.array(self._filetypes, np.int64)
        for part in directories.parts():
            sizes = directories.filetype_sizes[part]
            row, filetype = np.nonzero(sizes)
            values = sizes[row, filetype]
            numbers = (row + (first + part.start)).tolist()
            yield from zip(numbers, keys[filetype].tolist(), to_gib(values), capped_sizes(values), strict=True)

    def _insert_groups(self) -> None:
        day = self._date.isoformat()
        self._insert(
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

    def _unattributed(self) -> list[dict[str, Any]]:
        """Return the rows of `unattributed_usage`, without volume and date, which the Change has."""
        return [
            {"group_id": self._groups[row.gid], "num_records": row.records, "used": used, "capped": bool(is_capped)}
            for row in self._report.unattributed
            for used, is_capped in [capped(row.size)]
        ]

    def _totals(self) -> list[list[int | None]]:
        """Return the rows of `directory_totals`, in the order of TOTALS. A size that is too large has several rows."""
        rows: list[list[int | None]] = []
        for total in group_kinds(self._report.directories, self._date):
            filetype = None if total.filetype is None else self._filetypes[total.filetype]
            rest, count = total.size, total.directories
            while rest > LARGEST:
                rows.append([self._groups[total.gid], filetype, total.age, LARGEST, 0])
                rest -= LARGEST
            rows.append([self._groups[total.gid], filetype, total.age, rest, count])
        return rows

    def _insert_users(self) -> None:
        day = self._date.isoformat()
        self._insert(
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
        self._insert(
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

    def _summary(self) -> dict[str, Any]:
        """Return the row of `volume_summary`, without volume and date, which the Change has."""
        counts = self._report.counts
        attributed, more_attributed = capped(counts.attributed_bytes)
        unattributed, more_unattributed = capped(counts.unattributed_bytes)
        return {
            "records": counts.records,
            "attributed": counts.attributed,
            "unattributed": counts.unattributed,
            "vanished": counts.vanished,
            "rejected": counts.rejected,
            "attributed_bytes": attributed,
            "unattributed_bytes": unattributed,
            "capped": bool(more_attributed or more_unattributed),
            "dump_modified": self._named.dump.modified,
            "directories": len(self._report.directories),
        }

    def _reconcile(self) -> None:
        """Compare the sums of the stored rows with the counters of reading."""
        usage, users = schema.lustre_usage, schema.user_usage
        counts, report = self._report.counts, self._report
        both = counts.attributed_bytes + counts.unattributed_bytes
        outside = sum(row["used"] for row in self._change.unattributed)
        self._compare("group usage", self._sum_of_new(usage.c.used), counts.attributed_bytes, report.groups)
        self._compare("unattributed usage", outside, counts.unattributed_bytes, report.unattributed)
        self._compare("user usage", self._sum_of_new(users.c.size), both, report.users)

    def _sum_of_new(self, column: sa.Column[int]) -> int:
        new = sa.select(*halves(column)).where(self._change.new(column.table))
        high, low = tuple(self._connection.execute(new).one())
        return joined(high, low)

    def _compare(self, subject: str, stored: int, counted: int, rows: Sequence[Sized]) -> None:
        """Raise ReconciliationError if a stored sum differs from the counter, less the bytes that were not stored."""
        expected = counted - excess(row.size for row in rows)
        if stored != expected:
            raise ReconciliationError(
                f"{self._named.dump.volume.name}: the stored {subject} is {stored} bytes, but {expected} were counted"
            )
