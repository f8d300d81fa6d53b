"""Queries that pages alone need. Each is limited to some groups: `scope`, their keys, or None for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.store.usage import schema
from lurge.store.usage.read.newest import Dates, by_key, exact_size
from lurge.store.usage.read.overview import by_date, by_volume, by_volume_and_key, distinct_usage
from lurge.store.usage.read.volumes import Groups, of_group
from lurge.store.usage.sums import halves, joined

LARGEST_PART = 100_000


class VolumeState(NamedTuple):
    """The counters of a volume at its newest date."""

    volume: str
    record_date: date
    records: int
    vanished: int
    rejected: int
    attributed: int
    unattributed: int
    attributed_bytes: int
    unattributed_bytes: int
    directories: int | None

    @property
    def used(self) -> int:
        return self.attributed_bytes + self.unattributed_bytes

    @property
    def adds_up(self) -> bool:
        """True if every record is counted once."""
        return self.records == self.attributed + self.unattributed + self.vanished


class SubDirectory(NamedTuple):
    """A directory of a base directory, with its bytes by filetype."""

    path: str | None
    group: str | None
    pi: str | None
    size: int
    files: int | None
    last_modified: int | None
    filetypes: Mapping[str, int]


def volume_states(connection: sa.Connection, dates: Dates) -> list[VolumeState]:
    """Return the counters of volumes at their newest dates, of those that lurge stored."""
    summary, volume = schema.volume_summary, schema.volume
    query = sa.select(*(summary.c[name] for name in VolumeState._fields[1:])).join_from(summary, volume)
    return [VolumeState(name, *row) for name, _, rows in by_volume(connection, dates, query, summary) for row in rows]


def uses_before(
    connection: sa.Connection, dates: Dates, days: int, scope: Groups
) -> dict[str, tuple[date, dict[str, int]]]:
    """Return the date and the use by group of each volume, at the newest date that is at least `days` before its own.

    Volumes without such a date are left out.
    """
    earlier: dict[str, date] = {}
    for day in dict.fromkeys(dates.values()):
        volumes = [name for name in dates if dates[name] == day]
        earlier |= dates_until(connection, volumes, day - timedelta(days=days))

    def query(day: date) -> sa.Select[Any]:
        row = distinct_usage(day, scope, ("base_directory_id", "unix_id", "used"))
        return by_volume_and_key(row, row.c.unix_id, sums=halves(row.c.used))

    groups = by_key(connection, sa.select(schema.unix_group))
    before: dict[str, tuple[date, dict[str, int]]] = {}
    for name, day, rows in by_date(connection, earlier, query):
        before[name] = day, {}
        for key, high, low in rows:
            if key in groups:
                # A database of the older tool may have a name under several keys.
                before[name][1][groups[key]] = before[name][1].get(groups[key], 0) + joined(high, low)
    return before


def dates_until(connection: sa.Connection, volumes: Sequence[str], day: date) -> dict[str, date]:
    """Return the newest date of each volume that is not after a day: one of lurge, else one of the older tool."""
    summary, volume = schema.volume_summary, schema.volume
    newest = sa.select(volume.c.scratch_disk, sa.func.max(summary.c.record_date)).join_from(summary, volume)
    of_volumes = newest.where(volume.c.scratch_disk.in_(volumes), summary.c.record_date <= day)
    rows = connection.execute(of_volumes.group_by(volume.c.scratch_disk))
    ours: dict[str, date] = {name: found for name, found in rows if found}
    others = [name for name in volumes if name not in ours]
    return ours | (older_dates_until(connection, others, day) if others else {})


def older_dates_until(connection: sa.Connection, volumes: Sequence[str], day: date) -> dict[str, date]:
    """Return the newest date of the group usage of each volume that is not after a day."""
    usage, base, volume = schema.lustre_usage, schema.base_directory, schema.volume
    # Of each base directory, the index has this date at one place.
    newest = (
        sa.select(usage.c.record_date)
        .where(usage.c.base_directory_id == base.c.base_directory_id, usage.c.record_date <= day)
        .order_by(usage.c.record_date.desc())
        .limit(1)
        .scalar_subquery()
    )
    of_bases = sa.select(volume.c.scratch_disk, newest.label("day")).join_from(base, volume)
    found = of_bases.where(volume.c.scratch_disk.in_(volumes)).subquery()
    query = sa.select(found.c.scratch_disk, sa.func.max(found.c.day)).group_by(found.c.scratch_disk)
    return {name: newest_day for name, newest_day in connection.execute(query) if newest_day}


def base_key(connection: sa.Connection, volume: str, path: str) -> int | None:
    """Return the key of a base directory."""
    base = schema.base_directory
    query = sa.select(base.c.base_directory_id, base.c.directory_path).join(schema.volume)
    rows = connection.execute(query.where(schema.volume.c.scratch_disk == volume, base.c.directory_path == path))
    # A server may compare paths without case.
    return next((key for key, stored in rows if stored == path), None)


ORDERS = {"path": "directory_path", "files": "num_files", "last_modified": "last_modified"}


def sub_directories(
    connection: sa.Connection, base: int, scope: Groups, by: str, descending: bool, start: int, count: int
) -> tuple[int, list[SubDirectory]]:
    """Return the number of directories of a base directory, and some of them. by: a name in ORDERS, or `size`."""
    directory, size = schema.directory, schema.file_size
    condition = (directory.c.base_directory_id == base) & of_group(directory.c.group_id, scope)
    total = connection.execute(sa.select(sa.func.count()).select_from(directory).where(condition)).scalar_one()
    order: sa.ColumnElement[Any] = directory.c[ORDERS[by]] if by in ORDERS else exact_size(directory)
    rows = connection.execute(
        sa.select(
            directory.c.directory_id,
            directory.c.directory_path,
            schema.unix_group.c.group_name,
            schema.pi.c.pi_name,
            exact_size(directory),
            directory.c.num_files,
            directory.c.last_modified,
        )
        .join_from(directory, schema.unix_group, isouter=True)
        .join(schema.pi, schema.pi.c.pi_id == directory.c.pi_id, isouter=True)
        .where(condition)
        .order_by(order.desc() if descending else order, directory.c.directory_id)
        .limit(count)
        .offset(start)
    ).all()
    names = by_key(connection, sa.select(schema.filetype))
    by_type: dict[int, dict[str, int]] = {row[0]: {} for row in rows}
    keys = list(by_type)
    for first in range(0, len(keys), 500):
        of_these = size.c.directory_id.in_(keys[first : first + 500])
        query = sa.select(size.c.directory_id, size.c.filetype_id, exact_size(size)).where(of_these)
        for key, kind, amount in connection.execute(query):
            if kind in names and amount:
                by_type[key][names[kind]] = by_type[key].get(names[kind], 0) + int(amount)
    return total, [
        SubDirectory(path, group, pi, int(amount), files, days, by_type[key])
        for key, path, group, pi, amount, files, days in rows
    ]


class VaultFilter(NamedTuple):
    """The rows of vaults that are asked for. path: a part of it, without case."""

    path: str = ""
    state: str = ""
    user: str = ""
    group: str = ""


VAULT_ORDERS = ("path", "state", "size", "user", "group", "last_modified", "volume")


def vault_rows(
    connection: sa.Connection, dates: Dates, scope: Groups, wanted: VaultFilter, by: str, descending: bool,
    start: int, count: int,
) -> tuple[int, list[dict[str, Any]]]:  # fmt: skip
    """Return the number of vault rows at the newest date of each volume, and some of them. by: of VAULT_ORDERS."""
    vault, volume, action = schema.vault, schema.volume, schema.vault_actions
    columns = {
        "path": vault.c.filepath,
        "state": action.c.action_name,
        "size": vault.c.size,
        "user": schema.user.c.user_name,
        "group": schema.unix_group.c.group_name,
        "last_modified": vault.c.last_modified,
        "volume": volume.c.scratch_disk,
    }
    conditions = [at_dates(vault, dates), of_group(vault.c.group_id, scope)]
    if wanted.path:
        conditions.append(sa.func.lower(vault.c.filepath).contains(wanted.path.lower(), autoescape=True))
    for name in ("state", "user", "group"):
        if value := getattr(wanted, name):
            conditions.append(columns[name] == value)
    query = (
        sa.select(*(column.label(name) for name, column in columns.items()))
        .join_from(vault, volume)
        .join(action, isouter=True)
        .join(schema.user, isouter=True)
        .join(schema.unix_group, isouter=True)
        .where(*conditions)
    )
    total = connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
    order = columns.get(by, vault.c.size)
    ordered = query.order_by(order.desc() if descending else order, vault.c.record_id).limit(count).offset(start)
    return total, [dict(row) for row in connection.execute(ordered).mappings()]


def at_dates(table: sa.Table, dates: Dates) -> sa.ColumnElement[bool]:
    """Return a condition for the rows of each volume at its date. The query joins `volume`."""
    name, day = schema.volume.c.scratch_disk, table.c.record_date
    days = set(dates.values())
    each = (name.in_([one for one in dates if dates[one] == at]) & (day == at) for at in days)
    # With the first two conditions, databases can use an index.
    return name.in_(list(dates)) & day.in_(days) & sa.or_(sa.false(), *each)


def vault_sums(connection: sa.Connection, dates: Dates, scope: Groups) -> list[tuple[str, str, str | None, int, int]]:
    """Return (volume, state, group, files, bytes) of vaults at the newest dates."""
    vault, action = schema.vault, schema.vault_actions
    query = (
        sa.select(action.c.action_name, schema.unix_group.c.group_name, sa.func.count(), *halves(vault.c.size))
        .join_from(vault, schema.volume)
        .join(action)
        .join(schema.unix_group, isouter=True)
        .where(of_group(vault.c.group_id, scope))
        .group_by(schema.volume.c.scratch_disk, action.c.action_name, schema.unix_group.c.group_name)
    )
    return [
        (volume, *key, joined(high, low))
        for volume, _, rows in by_volume(connection, dates, query, vault)
        for *key, high, low in map(tuple, rows)
    ]


def kept_below(connection: sa.Connection, dates: Dates, scope: Groups, path: str) -> list[tuple[str, int, int]]:
    """Return (state, files, bytes) of what vaults hold of a directory."""
    vault, action = schema.vault, schema.vault_actions
    sums: dict[str, tuple[int, int]] = {}
    query = (
        sa.select(action.c.action_name, sa.func.count(), *halves(vault.c.size))
        .join_from(vault, schema.volume)
        .join(action)
        .where(of_group(vault.c.group_id, scope), vault.c.filepath.startswith(path.rstrip("/") + "/", autoescape=True))
        .group_by(schema.volume.c.scratch_disk, action.c.action_name)
    )
    for _, _, rows in by_volume(connection, dates, query, vault):
        for state, files, high, low in map(tuple, rows):
            known = sums.get(state, (0, 0))
            sums[state] = known[0] + files, known[1] + joined(high, low)
    return [(state, *both) for state, both in sorted(sums.items())]


def person_history(
    connection: sa.Connection, user: str, scope: Groups, volumes: Sequence[str]
) -> list[tuple[date, str, int]]:
    """Return (date, volume, bytes) of a person, oldest first."""
    usage, volume = schema.user_usage, schema.volume
    query = (
        sa.select(usage.c.record_date, volume.c.scratch_disk, *halves(usage.c.size))
        .join_from(usage, volume)
        .join(schema.user)
        .where(schema.user.c.user_name == user, of_group(usage.c.group_id, scope))
        .where(volume.c.scratch_disk.in_(list(volumes)), usage.c.record_date.is_not(None))
        .group_by(usage.c.record_date, volume.c.scratch_disk)
        .order_by(usage.c.record_date, volume.c.scratch_disk)
    )
    return [(day, name, joined(high, low)) for day, name, high, low in connection.execute(query)]


def names_with(connection: sa.Connection, column: sa.Column[str], text: str, limit: int) -> list[str]:
    """Return the names in a lookup table that contain a text, without case."""
    query = sa.select(column).where(sa.func.lower(column).contains(text.lower(), autoescape=True))
    return list(connection.execute(query.order_by(sa.func.length(column), column).limit(limit)).scalars())
