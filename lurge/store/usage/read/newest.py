"""The rows of the newest date of each volume, for the TSVs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from lurge.model.stored import (
    DirectoryPage,
    DirectoryRow,
    GroupRow,
    NewestReports,
    QuotaRow,
    SummaryRow,
    UserRow,
    VaultRow,
)
from lurge.store.usage import schema
from lurge.store.usage.read.dates import newest_of_all
from lurge.store.usage.sums import halves, joined

DIRECTORIES_AT_ONCE = 20_000
"""Maximum rows in a DirectoryPage, so that memory does not grow with the number of directories."""

Dates = Mapping[str, date]
"""The newest record date by volume name."""


def newest_reports(connection: sa.Connection, volumes: Sequence[str]) -> NewestReports:
    """Return the reports of those volumes that are stored. Rows are read lazily, while they are iterated over."""
    newest = newest_of_all(connection, volumes)
    dates = {name: day for name, days in newest.items() if (day := days.newest)}
    of_groups = {name: day for name, days in newest.items() if (day := days.groups)}
    return NewestReports(
        dates=dates,
        groups=group_rows(connection, of_groups),
        quotas=quota_rows(connection, of_groups),
        directories=directory_pages(connection, dates),
        users=user_rows(connection, {name: day for name, days in newest.items() if (day := days.users)}),
        vaults=vault_rows(connection, {name: day for name, days in newest.items() if (day := days.vault)}),
    )


def rows_at(
    connection: sa.Connection, query: sa.Select[Any], dated: sa.Table, volumes: Dates
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a query of every volume at its newest date. query: joins `volume` and `dated`."""
    for name, day in volumes.items():
        yield from connection.execute(query.where(schema.volume.c.scratch_disk == name, dated.c.record_date == day))


def group_rows(connection: sa.Connection, volumes: Dates) -> Iterator[GroupRow]:
    """Return the group usage of every volume at its newest date."""
    usage, base, group, pi = schema.lustre_usage, schema.base_directory, schema.unix_group, schema.pi
    query = (
        sa.select(
            base.c.directory_path,
            pi.c.pi_name,
            group.c.group_name,
            usage.c.used,
            usage.c.quota,
            usage.c.last_modified,
        )
        .join_from(usage, base)
        .join(schema.volume)
        .join(group, isouter=True)
        .join(pi, isouter=True)
    )
    return (GroupRow(*row) for row in rows_at(connection, query, usage, volumes))


def quota_rows(connection: sa.Connection, volumes: Dates) -> Iterator[QuotaRow]:
    """Yield the use of each volume by every group at the newest date, with quota and forecast."""
    usage, warning = schema.lustre_usage, schema.warning
    same_for_a_group = ("quota", "warning_id", "expected_in_3_days", "expected_in_7_days", "quota_reached")
    of_group = {name: sa.func.max(usage.c[name]).label(name) for name in same_for_a_group}
    high, low = halves(usage.c.used)
    totals = (
        sa.select(
            schema.volume.c.scratch_disk,
            sa.func.max(schema.pi.c.pi_name).label("pi_name"),
            schema.unix_group.c.group_name,
            high.label("high"),
            low.label("low"),
            *of_group.values(),
            sa.func.max(sa.cast(usage.c.quota_backfilled, sa.Integer)).label("backfilled"),
        )
        .join_from(usage, schema.base_directory)
        .join(schema.volume)
        .join(schema.unix_group)
        .join(schema.pi, isouter=True)
        .group_by(schema.volume.c.scratch_disk, schema.unix_group.c.group_name)
    )
    for name, day in volumes.items():
        sums = totals.where(schema.volume.c.scratch_disk == name, usage.c.record_date == day).subquery()
        query = sa.select(
            sums.c.scratch_disk,
            sums.c.pi_name,
            sums.c.group_name,
            sums.c.high,
            sums.c.low,
            sums.c.quota,
            sums.c.warning_id,
            warning.c.warning,
            sums.c.expected_in_3_days,
            sums.c.expected_in_7_days,
            sums.c.quota_reached,
            sums.c.backfilled,
        ).join_from(sums, warning, warning.c.warning_id == sums.c.warning_id)
        for volume, pi, group, *used, quota, warning_id, level, in_3, in_7, reached, later in connection.execute(query):
            expected = (warning_id, level, in_3, in_7, reached)
            yield QuotaRow._make((volume, pi, group, joined(*used), quota, *expected, bool(later)))


def exact_size(table: sa.Table) -> sa.ColumnElement[int]:
    """Return an expression for the bytes of a row. Rows of the older tool only have GiB, or NULL."""
    return sa.func.coalesce(table.c.size_bytes, sa.cast(sa.func.round(table.c.size * 2**30), sa.BigInteger), 0)


def directory_pages(connection: sa.Connection, volumes: Dates) -> Iterator[DirectoryPage]:
    """Yield the directories of every volume, in pages. The table only holds those of the newest date."""
    directory, base = schema.directory, schema.base_directory
    bases_of = sa.select(base.c.base_directory_id, base.c.directory_path).join(schema.volume)
    bases = by_key(connection, bases_of.where(schema.volume.c.scratch_disk.in_(list(volumes))))
    groups, pis, filetypes = (
        by_key(connection, sa.select(table)) for table in (schema.unix_group, schema.pi, schema.filetype)
    )
    columns = ("directory_id", "base_directory_id", "directory_path", "num_files", "last_modified", "pi_id", "group_id")
    query = (
        sa.select(*(directory.c[name] for name in columns), exact_size(directory), *sums_by_filetype(filetypes))
        .join_from(directory, schema.file_size, isouter=True)
        .group_by(directory.c.directory_id)
        .order_by(directory.c.directory_id)
        .limit(DIRECTORIES_AT_ONCE)
    )
    last = -1
    while rows := connection.execute(query.where(directory.c.directory_id > last)).all():
        last = rows[-1][0]
        of_volumes = [row for row in rows if row[1] in bases]
        if of_volumes:
            _, base_ids, paths, files, days, pi_ids, group_ids, sizes, *by_filetype = zip(*of_volumes, strict=True)
            yield DirectoryPage(
                bases=[bases[key] for key in base_ids],
                paths=list(paths),
                sizes=list(map(int, sizes)),
                filetype_sizes={
                    name: list(map(int, column)) for name, column in zip(filetypes.values(), by_filetype, strict=True)
                },
                files=list(files),
                last_modified=list(days),
                pis=list(map(pis.get, pi_ids)),
                groups=list(map(groups.get, group_ids)),
            )


def sums_by_filetype(filetypes: Iterable[int]) -> list[sa.ColumnElement[int]]:
    """Return expressions for the bytes of a directory in each filetype."""
    table = schema.file_size
    exact = exact_size(table)
    return [sa.func.sum(sa.case((table.c.filetype_id == key, exact), else_=0)) for key in filetypes]


def by_key(connection: sa.Connection, query: sa.Select[Any]) -> dict[int, str]:
    """Return names by key. query: has the columns key and name."""
    return {key: name for key, name in connection.execute(query)}  # noqa: C416 - rows are not tuples to mypy


def largest_directories(connection: sa.Connection, volumes: Iterable[str], limit: int) -> list[DirectoryRow]:
    """Return the largest directories of all given volumes together, at most `limit`."""
    directory, base = schema.directory, schema.base_directory
    size = exact_size(directory)
    query = (
        sa.select(
            base.c.directory_path,
            sa.func.coalesce(directory.c.directory_path, ""),
            size,
            sa.func.coalesce(directory.c.num_files, 0),
            schema.unix_group.c.group_name,
        )
        .join_from(directory, base)
        .join(schema.volume)
        .join(schema.unix_group, isouter=True)
        .where(schema.volume.c.scratch_disk.in_(list(volumes)))
        .order_by(size.desc(), base.c.directory_path, directory.c.directory_path)
        .limit(limit)
    )
    return [DirectoryRow(base, path, int(size), *rest) for base, path, size, *rest in connection.execute(query)]


def user_rows(connection: sa.Connection, volumes: Dates) -> Iterator[UserRow]:
    """Return the user usage of every volume at its newest date."""
    usage = schema.user_usage
    query = (
        sa.select(
            schema.user.c.user_name,
            schema.unix_group.c.group_name,
            schema.volume.c.scratch_disk,
            usage.c.size,
            usage.c.last_modified,
        )
        .join_from(usage, schema.volume)
        .join(schema.user, isouter=True)
        .join(schema.unix_group, isouter=True)
    )
    return (UserRow(*row) for row in rows_at(connection, query, usage, volumes))


def vault_rows(connection: sa.Connection, volumes: Dates) -> Iterator[VaultRow]:
    """Return the vault rows of every volume at its newest date."""
    vault = schema.vault
    query = (
        sa.select(
            vault.c.filepath,
            schema.vault_actions.c.action_name,
            vault.c.size,
            schema.user.c.user_name,
            schema.unix_group.c.group_name,
            vault.c.last_modified,
            schema.volume.c.scratch_disk,
        )
        .join_from(vault, schema.volume)
        .join(schema.vault_actions, isouter=True)
        .join(schema.user, isouter=True)
        .join(schema.unix_group, isouter=True)
    )
    return (VaultRow(*row) for row in rows_at(connection, query, vault, volumes))


def summary_rows(connection: sa.Connection, volumes: Dates) -> Iterator[SummaryRow]:
    """Return the counters of every volume at its newest date."""
    summary, volume = schema.volume_summary, schema.volume
    columns = [summary.c[name] for name in SummaryRow._fields[1:]]
    query = sa.select(volume.c.scratch_disk, *columns).join_from(summary, volume)
    return (SummaryRow(*row) for row in rows_at(connection, query, summary, volumes))
