"""Totals of directories at the newest date of each volume, by filetype and by age.

A swap stores the sums in `directory_totals`. For a volume that lurge has not stored since that table exists, or whose
newest directories are of the older tool, the directories are summed here, which takes 2 microseconds for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from lurge.model.overview import AGE_NAMES, AGES, KindUse
from lurge.store.usage import schema
from lurge.store.usage.read.newest import Dates, by_key, exact_size
from lurge.store.usage.read.swaps import TAGGED
from lurge.store.usage.read.volumes import Groups, of_group
from lurge.store.usage.sums import halves, joined

Kind = tuple[int, int, int]
"""(key of the filetype or number of the age, bytes, directories)"""

Volumes = tuple[list[int], list[int]]
"""The keys of volumes whose sums are stored, and of others."""


def kind_uses(connection: sa.Connection, dates: Dates, group: Groups) -> tuple[list[KindUse], list[KindUse]]:
    """Return the bytes of each filetype in the directories of volumes, the largest first, and of each age.

    Ages are days from the newest mtime of a file in a directory to the record date; the youngest are first.
    """
    volumes = volumes_by_totals(connection, dates)
    return filetype_uses(connection, volumes, group), age_uses(connection, volumes, group)


def filetype_uses(connection: sa.Connection, volumes: Volumes, group: Groups) -> list[KindUse]:
    size, directory = schema.file_size, schema.directory
    query = (
        sa.select(size.c.filetype_id, *halves(exact_size(size)), sa.func.count())
        .join_from(size, directory)
        .where(of_group(directory.c.group_id, group), size.c.filetype_id.is_not(None))
        .group_by(size.c.filetype_id)
    )
    names = by_key(connection, sa.select(schema.filetype))
    kinds = [
        KindUse(names[key], *sums)
        for key, *sums in kinds_of(connection, volumes, group, schema.directory_totals.c.filetype_id, query)
    ]
    return sorted(kinds, key=lambda kind: (-kind.size, kind.name))


def age_uses(connection: sa.Connection, volumes: Volumes, group: Groups) -> list[KindUse]:
    directory = schema.directory
    days = directory.c.last_modified
    younger = [(days < limit, number) for number, (_, limit) in enumerate(AGES)]
    age = sa.case((days.is_(None), len(AGES) + 1), *younger, else_=len(AGES))
    query = (
        sa.select(age.label("age"), *halves(exact_size(directory)), sa.func.count())
        .where(of_group(directory.c.group_id, group))
        .group_by(sa.literal_column("age"))
    )
    kinds = kinds_of(connection, volumes, group, schema.directory_totals.c.age, query)
    return [KindUse(AGE_NAMES[number], *sums) for number, *sums in sorted(kinds)]


def kinds_of(
    connection: sa.Connection, volumes: Volumes, group: Groups, kind: sa.Column[int], query: sa.Select[Any]
) -> Iterator[Kind]:
    """Yield the sums of each kind. kind: its column in `directory_totals`. query: sums the directories by kind."""
    totals, bases = schema.directory_totals, schema.base_directory
    summed, others = volumes
    of_totals = (
        sa.select(kind, *halves(totals.c.size), sa.func.sum(totals.c.num_directories))
        .where(totals.c.volume_id.in_(summed), of_group(totals.c.group_id, group), kind.is_not(None))
        .group_by(kind)
    )
    of_others = sa.select(bases.c.base_directory_id).where(bases.c.volume_id.in_(others))
    sums: dict[int, Kind] = {}
    is_current = sa.or_(schema.directory.c.directory_path.is_(None), sa.not_(TAGGED))
    for keys, of_these in (
        (summed, of_totals),
        (others, query.where(schema.directory.c.base_directory_id.in_(of_others), is_current)),
    ):
        for key, high, low, count in connection.execute(of_these) if keys else ():
            _, size, directories = sums.get(key, (key, 0, 0))
            sums[key] = key, size + joined(high, low), directories + int(count)
    yield from sums.values()


def volumes_by_totals(connection: sa.Connection, dates: Dates) -> Volumes:
    """Return the keys of the volumes whose stored sums are those of their directories, and of the others.

    The sums are of another date, or one row of directories is the older tool's, if that stored the volume last. While a
    swap in steps goes on, the sums are right that the last one stored.
    """
    totals, volume, swaps = schema.directory_totals, schema.volume, schema.unfinished_swap
    directory, base = schema.directory, schema.base_directory
    stored = sa.select(totals.c.record_date).where(totals.c.volume_id == volume.c.volume_id).limit(1).scalar_subquery()
    swapping = sa.select(sa.literal(1)).where(swaps.c.volume_id == volume.c.volume_id).limit(1).scalar_subquery()
    # The first row that an index finds: all rows of a volume are of one tool.
    one = sa.select(directory.c.directory_id).join_from(directory, base).where(base.c.volume_id == volume.c.volume_id)
    size = sa.select(directory.c.size_bytes).where(directory.c.directory_id == one.limit(1).scalar_subquery())
    query = sa.select(volume.c.volume_id, volume.c.scratch_disk, stored, swapping, size.scalar_subquery())
    keys: Volumes = [], []
    for key, name, day, is_swapping, bytes_of_one in connection.execute(
        query.where(volume.c.scratch_disk.in_(list(dates)))
    ):
        is_right = bool(is_swapping) or (day == dates[name] and bytes_of_one is not None)
        keys[day is None or not is_right].append(key)
    return keys
