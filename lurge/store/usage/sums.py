"""Sizes and their sums where no number of the database holds them."""

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
MOST_NAMED = 8


def capped(size: int) -> tuple[int, int]:
    """A size as it is stored, at most LARGEST, and 1 if that is less than it is."""
    return (size, 0) if size <= LARGEST else (LARGEST, 1)


def capped_sizes(sizes: Whole) -> list[int]:
    """Sizes as they are stored, at most LARGEST."""
    return np.minimum(sizes, LARGEST).tolist() if sizes.dtype == object else sizes.tolist()  # type: ignore[no-any-return]


def excess(sizes: Iterator[int]) -> int:
    """Number of bytes that are not stored of some sizes."""
    return sum(size - LARGEST for size in sizes if size > LARGEST)


def halves(column: sa.ColumnElement[Any]) -> Sequence[sa.ColumnElement[int]]:
    """The sums of the high and the low halves of whole numbers, for `joined`: SQLite refuses sums of 2^63 and more."""
    low = 2**HALF_BITS - 1
    parts = (column.bitwise_rshift(sa.literal(HALF_BITS, sa.Integer)), column.bitwise_and(low))
    return [sa.func.coalesce(sa.func.sum(part), 0) for part in parts]


def joined(high: Any, low: Any) -> int:
    """The sum of which the database gave the `halves`."""
    return (int(high) << HALF_BITS) + int(low)


def larger_than_stored(named: NamedReport) -> list[str]:
    """The sizes of a report that no number of the database holds, the first few of them with whose they are."""
    report, groups = named.report, named.groups
    found = [(f"group {groups[row.gid].name} in {row.base}", row.size) for row in report.groups]
    found += [(f"group {groups[row.gid].name} outside base directories", row.size) for row in report.unattributed]
    found += [(f"user {named.users[row.uid]} in group {groups[row.gid].name}", row.size) for row in report.users]
    if report.directories.size.dtype == object:
        found += [
            (f"group {groups[row.gid].name} in {row.base}, directory {row.subdirectory}", row.size)
            for row in report.directories
        ]
    larger = [(whose, size) for whose, size in found if size > LARGEST]
    said = [
        f"{named.dump.volume.name}: {whose}: {size} bytes are more than a database holds; {LARGEST} are stored, marked"
        for whose, size in larger[:MOST_NAMED]
    ]
    if len(larger) > MOST_NAMED:
        said.append(f"{named.dump.volume.name}: {len(larger) - MOST_NAMED} more rows are marked so")
    return said
