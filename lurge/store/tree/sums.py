"""Sums of records: of one thing, or of many things in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lurge.store.tree.layout import MEASURES, TIMES

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

LATEST, EARLIEST = 2**63 - 1, -(2**63)
LARGEST = 2**63 - 1
"""Sums of bytes are capped here, as in the index."""


@dataclass(frozen=True)
class Measures:
    """Sums of some records, and their oldest and newest times in Unix seconds.

    A time is None if there is no record, or if the index does not keep it: with a filter by age, only what certainly
    belongs to the records that match.
    """

    records: int = 0
    files: int = 0
    directories: int = 0
    bytes: int | None = 0
    oldest_mtime: int | None = None
    newest_mtime: int | None = None
    oldest_atime: int | None = None
    newest_atime: int | None = None


@dataclass(frozen=True)
class Sums:
    """Measures of some things in columns.

    columns: int64, by the names in MEASURES. missing: bool, by the names of some of them, where they are not known.
    """

    columns: Mapping[str, Numbers]
    missing: Mapping[str, Booleans]

    @staticmethod
    def none() -> Sums:
        """The sums of nothing."""
        return Sums(dict.fromkeys(MEASURES, np.empty(0, np.int64)), dict.fromkeys(TIMES, np.empty(0, np.bool_)))

    @staticmethod
    def of_rows(table: pa.Table, measures: Sequence[str]) -> Sums:
        """Some of the sums that rows of directories hold."""
        missing = {name: table[name].is_null().to_numpy() for name in TIMES if name in measures}
        return Sums({name: table[name].fill_null(0).to_numpy() for name in measures}, missing)

    def where(self, chosen: Booleans | Numbers) -> Sums:
        """The sums of the things that are chosen: by a mask, or by their places."""
        return Sums(
            {name: column[chosen] for name, column in self.columns.items()},
            {name: column[chosen] for name, column in self.missing.items()},
        )

    def measures(self) -> list[Measures]:
        """The sums as objects."""
        columns: dict[str, list[Any]] = {name: self.columns[name].tolist() for name in MEASURES}
        for name, missing in self.missing.items():
            for place in np.flatnonzero(missing).tolist():
                columns[name][place] = None
        return [Measures(*row) for row in zip(*columns.values(), strict=True)]


def capped_rows(columns: Sequence[Numbers]) -> Numbers:
    """The sum of columns that are not negative, row by row."""
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
        total[total < 0] = LARGEST
    return total


class Places:
    """Rows that belong to some of `count` places. place: int64, of each row."""

    def __init__(self, place: Numbers, count: int) -> None:
        self._count = count
        self._order = None if (place[1:] >= place[:-1]).all() else np.argsort(place, kind="stable")
        self._place = self._sorted(place)
        self._firsts = np.flatnonzero(np.diff(self._place, prepend=-1))

    def _sorted(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if self._order is None else values[self._order]

    def reduce(self, values: npt.NDArray[Any], function: np.ufunc) -> npt.NDArray[Any]:
        """One value of each place, such as the sum; 0 where there is no row."""
        results = np.zeros(self._count, values.dtype)
        if len(values):
            results[self._place[self._firsts]] = function.reduceat(self._sorted(values), self._firsts)
        return results

    def total(self, values: Numbers) -> Numbers:
        """The sums, which are capped, of values that are not negative."""
        if values.sum(dtype=np.float64) < LARGEST // 2:
            return self.reduce(values, np.add)
        exact = [0] * self._count
        for place, value in zip(self._place.tolist(), self._sorted(values).tolist(), strict=True):
            exact[place] += value
        return np.array([min(total, LARGEST) for total in exact], np.int64)
