"""What is stored of the newest date of each volume, as the reports show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import sqlalchemy as sa

from lurge.model.stored import DirectoryRow, GroupRow, NewestReports, SummaryRow, UserRow, VaultRow
from lurge.store import schema
from lurge.store.swap import stored_dates

Dates = Mapping[str, date]
"""The newest record date by volume name."""


def newest_reports(connection: sa.Connection, volumes: Sequence[str]) -> NewestReports:
    """The reports of those of `volumes` that are stored; they are read from `connection` as they are asked for."""
    stored = {name: stored_dates(connection, name) for name in volumes}
    dates = {name: max(found) for name, found in stored.items() if found}
    return NewestReports(
        dates=dates,
        groups=group_rows(connection, dates),
        directories=directory_rows(connection, dates),
        users=user_rows(connection, dates),
        vaults=vault_rows(connection, dates),
        summaries=summary_rows(connection, dates),
    )


def group_rows(connection: sa.Connection, volumes: Dates) -> Iterator[GroupRow]:
    """Group usage of every volume at its newest date."""
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
        .join(group)
        .join(pi, isouter=True)
    )
    for name, day in volumes.items():
        rows = connection.execute(query.where(schema.volume.c.scratch_disk == name, usage.c.record_date == day))
        yield from (GroupRow(*row) for row in rows)


def directory_rows(connection: sa.Connection, volumes: Dates) -> Iterator[DirectoryRow]:
    """The directories of every volume; they hold only the newest date."""
    directory, base, group, pi = schema.directory, schema.base_directory, schema.unix_group, schema.pi
    in_gib = sa.func.round(directory.c.size * 2**30)
    directories = (
        sa.select(
            directory.c.directory_id,
            base.c.directory_path,
            directory.c.directory_path,
            sa.func.coalesce(directory.c.size_bytes, in_gib),
            directory.c.num_files,
            directory.c.last_modified,
            pi.c.pi_name,
            group.c.group_name,
        )
        .join_from(directory, base)
        .join(schema.volume)
        .join(group)
        .join(pi, isouter=True)
    )
    file_size, filetype = schema.file_size, schema.filetype
    sizes = (
        sa.select(
            file_size.c.directory_id,
            filetype.c.filetype_name,
            sa.func.coalesce(file_size.c.size_bytes, sa.func.round(file_size.c.size * 2**30)),
        )
        .join_from(file_size, filetype)
        .join(directory)
        .join(base)
        .join(schema.volume)
    )
    for name in volumes:
        mine = schema.volume.c.scratch_disk == name
        by_directory: dict[int, dict[str, int]] = {}
        for number, filetype_name, size in connection.execute(sizes.where(mine)):
            by_directory.setdefault(number, {})[filetype_name] = int(size)
        for number, base_path, path, size, *rest in connection.execute(directories.where(mine)):
            yield DirectoryRow(base_path, path, int(size), by_directory.get(number, {}), *rest)


def user_rows(connection: sa.Connection, volumes: Dates) -> Iterator[UserRow]:
    """User usage of every volume at its newest date."""
    usage = schema.user_usage
    query = (
        sa.select(
            schema.user.c.user_name,
            schema.unix_group.c.group_name,
            schema.volume.c.scratch_disk,
            usage.c.size,
            usage.c.last_modified,
        )
        .join_from(usage, schema.user)
        .join(schema.unix_group)
        .join(schema.volume)
    )
    for name, day in volumes.items():
        rows = connection.execute(query.where(schema.volume.c.scratch_disk == name, usage.c.record_date == day))
        yield from (UserRow(*row) for row in rows)


def vault_rows(connection: sa.Connection, volumes: Dates) -> Iterator[VaultRow]:
    """The vault of every volume at its newest date."""
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
        .join_from(vault, schema.vault_actions)
        .join(schema.user)
        .join(schema.unix_group)
        .join(schema.volume)
    )
    for name, day in volumes.items():
        rows = connection.execute(query.where(schema.volume.c.scratch_disk == name, vault.c.record_date == day))
        yield from (VaultRow(*row) for row in rows)


def summary_rows(connection: sa.Connection, volumes: Dates) -> Iterator[SummaryRow]:
    """The counts of every volume at its newest date."""
    summary, volume = schema.volume_summary, schema.volume
    columns = [summary.c[name] for name in SummaryRow._fields[1:]]
    query = sa.select(volume.c.scratch_disk, *columns).join_from(summary, volume)
    for name, day in volumes.items():
        rows = connection.execute(query.where(volume.c.scratch_disk == name, summary.c.record_date == day))
        yield from (SummaryRow(*row) for row in rows)
