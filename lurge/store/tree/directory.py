"""Directories of an index: one, and the children of one in columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lurge.store.tree.layout import MEASURES, PLACES
from lurge.store.tree.sums import Measures, Numbers, Sums

if TYPE_CHECKING:
    import pyarrow as pa

DIRECTORY_COLUMNS = ("id", "path", *MEASURES, *PLACES)


@dataclass(frozen=True)
class Directory:
    """A directory of an index. row: its columns in the file of its depth."""

    depth: int
    row: Mapping[str, Any]

    @property
    def path(self) -> bytes:
        path: bytes = self.row["path"]
        return path

    @property
    def measures(self) -> Measures:
        """Everything in it and below it."""
        return Measures(**{name: self.row[name] for name in MEASURES})


@dataclass(frozen=True)
class Children:
    """The children of a directory that hold a record that matches a filter, in the order of their names.

    table: their rows; None if the directory has no child. sums: of the records that match. A directory may have so many
    children that only those that are shown should become objects.
    """

    depth: int
    table: pa.Table | None
    sums: Sums

    def __len__(self) -> int:
        return 0 if self.table is None else int(self.table.num_rows)

    def __iter__(self) -> Iterator[tuple[Directory, Measures]]:
        if self.table is not None:
            yield from zip(directories_of(self.depth, self.table), self.sums.measures(), strict=True)

    @property
    def paths(self) -> list[bytes]:
        paths: list[bytes] = [] if self.table is None else self.table["path"].to_pylist()
        return paths

    def at(self, places: Numbers) -> Children:
        """Those at some places, in that order."""
        import pyarrow as pa

        if self.table is None:
            return self
        indices = pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places.astype(np.int64))])
        return Children(self.depth, self.table.take(indices), self.sums.where(places))

    def by_largest(self, measure: str) -> Numbers:
        """The places of all, those with most of a measure first."""
        return np.argsort(-self.sums.columns[measure], kind="stable")


def directories_of(depth: int, table: pa.Table) -> list[Directory]:
    """The directories in rows that have DIRECTORY_COLUMNS."""
    columns = [as_list(table[name]) for name in DIRECTORY_COLUMNS]
    return [Directory(depth, dict(zip(DIRECTORY_COLUMNS, row, strict=True))) for row in zip(*columns, strict=True)]


def as_list(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; None for null."""
    values: list[Any] = column.to_pylist() if column.null_count else column.to_numpy().tolist()
    return values
