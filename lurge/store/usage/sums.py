"""Sizes, and sums of sizes, that are larger than the database can store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from lurge.model.stored import LARGEST

if TYPE_CHECKING:
    from lurge.model.sizes import Whole
    from lurge.store.usage.swap import NamedReport

HALF_BITS = 32
MAX_SIZES_LISTED = 8


def capped(size: int) -> tuple[int, int]:
    """Return a size as it is stored, at most LARGEST, and 1 if it was reduced, else 0."""
    return (size, 0) if size <= LARGEST else (LARGEST, 1)


def capped_sizes(sizes: Whole) -> list[int]:
    """Return sizes as they are stored, each at most LARGEST."""
    return np.minimum(sizes, LARGEST).tolist() if sizes.dtype == object else sizes.tolist()  # type: ignore[no-any-return]


def excess(sizes: Iterator[int]) -> int:
    """Return the number of bytes by which sizes are reduced when they are stored."""
    return sum(size - LARGEST for size in sizes if size > LARGEST)


def halves(column: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[int]]:
    """Return the sums of the high and the low halves of integers, for `joined`. SQLite cannot sum beyond 2^63-1."""
    low = 2**HALF_BITS - 1
    parts = (column.bitwise_rshift(sa.literal(HALF_BITS, sa.Integer)), column.bitwise_and(low))
    return [sa.func.coalesce(sa.func.sum(part), 0) for part in parts]


def joined(high: Any, low: Any) -> int:
    """Return a sum from its `halves`, as the database computed them."""
    return (int(high) << HALF_BITS) + int(low)


def larger_than_stored(named: NamedReport) -> list[str]:
    """Return a warning for each size in a report that is larger than the database can store, at most MAX_SIZES_LISTED.

    If there are more, one more warning tells their number.
    """
    report, groups = named.report, named.groups
    sizes = [(f"group {groups[row.gid].name} in {row.base}", row.size) for row in report.groups]
    sizes += [(f"group {groups[row.gid].name} outside base directories", row.size) for row in report.unattributed]
    sizes += [(f"user {named.users[row.uid]} in group {groups[row.gid].name}", row.size) for row in report.users]
    if report.directories.size.dtype == object:
        sizes += [
            (f"group {groups[row.gid].name} in {row.base}, directory {row.subdirectory}", row.size)
            for row in report.directories
        ]
    larger = [(owner, size) for owner, size in sizes if size > LARGEST]
    warnings = [
        f"{named.dump.volume.name}: {owner}: {size} bytes are more than a database holds; {LARGEST} are stored, marked"
        for owner, size in larger[:MAX_SIZES_LISTED]
    ]
    if len(larger) > MAX_SIZES_LISTED:
        warnings.append(f"{named.dump.volume.name}: {len(larger) - MAX_SIZES_LISTED} more rows are marked so")
    return warnings
