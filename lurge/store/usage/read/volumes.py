"""Conditions for the rows of a volume, in tables without a column for it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from lurge.store.usage import schema

Groups = int | frozenset[int] | None
"""The key of a group, the keys of several, or None for all."""


def bases_of(volume_id: int) -> sa.Select[tuple[int]]:
    """Return a query for the keys of a volume's base directories."""
    table = schema.base_directory
    return sa.select(table.c.base_directory_id).where(table.c.volume_id == volume_id)


def directories_of(volume_id: int) -> sa.ColumnElement[bool]:
    return schema.directory.c.base_directory_id.in_(bases_of(volume_id))


def count_directories(connection: sa.Connection, volumes: Sequence[str]) -> list[int]:
    """Return the number of directories of each given volume that has any."""
    base, volume = schema.base_directory, schema.volume
    query = sa.select(sa.func.count()).join_from(schema.directory, base).join(volume)
    by_volume = query.where(volume.c.scratch_disk.in_(volumes)).group_by(volume.c.volume_id)
    return list(connection.execute(by_volume).scalars())


def usage_of(volume_id: int) -> sa.ColumnElement[bool]:
    return schema.lustre_usage.c.base_directory_id.in_(bases_of(volume_id))


def of_group(column: sa.Column[int], group: Groups) -> sa.ColumnElement[bool]:
    """Return a condition for the rows of some groups; always true for all."""
    if group is None:
        return sa.true()
    return column == group if isinstance(group, int) else column.in_(sorted(group))
