"""The rows of usage that match a filter, and their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lurge.errors import TreeError
from lurge.model.tree import AGE_DAYS, SIZE_NAMES, SMALL_CLASSES
from lurge.store.tree.files import Files
from lurge.store.tree.layout import BINS, MEASURES, TIMES
from lurge.store.tree.sums import EARLIEST, LARGEST, LATEST, Booleans, Measures, Numbers, Places, Sums, capped_rows

if TYPE_CHECKING:
    import pyarrow as pa

Axis = Literal["mtime", "atime"]
Place = tuple[str, int, int, int]
"""Rows of usage: the kind of file, its depth, the first row and the number of rows."""

SIZE_COLUMNS = [f"files_size_{number}" for number in range(len(SIZE_NAMES))]


@dataclass(frozen=True)
class Filter:
    """A choice of records: all, or those of some gids, uids and filetypes, and of a minimum age in days.

    older_than: one of AGE_DAYS; by: the time whose age it is. ownerless: gids and uids, one of which a record must
    have. small: only files of at most 64 KiB, whose bytes and ages are not known.
    """

    gids: frozenset[int] | None = None
    uids: frozenset[int] | None = None
    filetypes: frozenset[str] | None = None
    older_than: int | None = None
    by: Axis = "mtime"
    ownerless: tuple[frozenset[int], frozenset[int]] | None = None
    small: bool = False

    def __post_init__(self) -> None:
        if self.small and self.older_than is not None:
            raise TreeError("sizes are not kept by age", "Ask for small files, or for an age.")
        if self.older_than is not None and self.older_than not in AGE_DAYS:
            known = ", ".join(map(str, AGE_DAYS))
            raise TreeError(f"the index has no boundary at {self.older_than} days", f"It has boundaries at {known}.")

    @property
    def is_all(self) -> bool:
        """True if every record matches."""
        chosen = (self.gids, self.uids, self.filetypes, self.older_than, self.ownerless)
        return not self.small and all(choice is None for choice in chosen)

    @property
    def first_age(self) -> int:
        """The first age bin that matches."""
        return 0 if self.older_than is None else AGE_DAYS.index(self.older_than) + 1


class Usage:
    """Rows of usage that match a filter, and what of each row matches its ages. Columns are read when they are needed.

    matching: bool, which of the rows of the place match gid, uid and filetype. rows: their number.
    """

    def __init__(self, files: Files, place: Place, wanted: Filter) -> None:
        self._files = files
        self._kind, self._depth, self._start, self._count = place
        self._wanted = wanted
        self._known: dict[str, npt.NDArray[Any]] = {}
        chosen = {"gid": wanted.gids, "uid": wanted.uids, "filetype": wanted.filetypes}
        names = [name for name, values in chosen.items() if values is not None]
        owners = ["gid", "uid"] if wanted.ownerless else []
        self.matching = np.ones(self._count, np.bool_)
        self._inside: slice | Booleans = slice(None)
        table = self._table(sorted({*names, *owners})) if names or owners else None
        if table:
            for name in names:
                self.matching &= is_in(table[name], chosen[name] or frozenset())
            if wanted.ownerless:
                gids, uids = wanted.ownerless
                self.matching &= is_in(table["gid"], gids) | is_in(table["uid"], uids)
            self._narrow()
        self.rows = int(np.count_nonzero(self.matching))

    def _narrow(self) -> None:
        """Read only from the first row that matches to the last."""
        (places,) = self.matching.nonzero()
        first, end = (places[0].item(), places[-1].item() + 1) if len(places) else (0, 0)
        self._start, self._count = self._start + first, end - first
        if len(places) < self._count:
            self._inside = self.matching[first:end]

    def _table(self, names: Sequence[str]) -> pa.Table | None:
        return self._files.rows(self._kind, self._depth, self._start, self._count, names)

    def columns(self, names: Sequence[str]) -> list[npt.NDArray[Any]]:
        """Some columns of the rows that match."""
        missing = [name for name in names if name not in self._known]
        table = self._table(missing) if missing else None
        for name in missing:
            column = np.empty(0, np.int64) if table is None else as_array(table[name])
            self._known[name] = column[self._inside]
        return [self._known[name] for name in names]

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column of the rows that match."""
        return self.columns([name])[0]

    def of_ages(self) -> tuple[Numbers, Numbers]:
        """The records and bytes of each row that match the ages, or its small files."""
        if self._wanted.small:
            small = np.array(self.columns(SIZE_COLUMNS[:SMALL_CLASSES])).sum(axis=0)
            return small, np.zeros(self.rows, np.int64)
        records, size = self.columns(["records", "bytes"])
        younger, older = range(self._wanted.first_age), range(self._wanted.first_age, BINS)
        # Sums that are not capped are those of all bins: fewer columns may be read.
        if len(younger) < len(older) and (size < LARGEST).all():
            columns = self.columns(self._bins(younger))
            return records - sum(columns[: len(younger)]), size - sum(columns[len(younger) :])
        columns = self.columns(self._bins(older))
        return capped_rows(columns[: len(older)]), capped_rows(columns[len(older) :])

    def _bins(self, ages: Sequence[int]) -> list[str]:
        """The columns of the records of some ages, and of their bytes."""
        return [f"{sum_of}_{self._wanted.by}_{age}" for sum_of in ("records", "bytes") for age in ages]

    def sums(self, place: Numbers, count: int, measures: Sequence[str] = MEASURES) -> Sums:
        """The sums of the rows at each of `count` places. place: int64, of each row that matches.

        measures: the sums that are needed, `records` among them.
        """
        self.columns(measures)
        records, size = self.of_ages()
        holding, places = records > 0, Places(place, count)
        columns = {"records": places.reduce(records, np.add)}
        columns |= {
            name: places.reduce(np.where(self.column(name) > 0, records, 0), np.add)
            for name in ("files", "directories")
            if name in measures
        }
        if "bytes" in measures:
            columns["bytes"] = places.total(size)
        missing = {"bytes": np.ones(count, np.bool_)} if self._wanted.small else {}
        times = [name for name in TIMES if name in measures]
        if not times:
            return Sums(columns, missing)
        nothing = columns["records"] == 0
        # The times of a row of which only a part matches may be those of the other part.
        unsure = nothing | places.reduce(holding & (records != self.column("records")), np.logical_or)
        for name in times:
            end, axis = name.split("_")
            function, worst = (np.minimum, LATEST) if end == "oldest" else (np.maximum, EARLIEST)
            columns[name] = places.reduce(np.where(holding, self.column(name), worst), function)
            is_sure = end == "oldest" and axis == self._wanted.by and not self._wanted.small
            missing[name] = nothing if is_sure else unsure
        return Sums(columns, missing)

    def sizes_by_age(self, place: Numbers, count: int) -> Numbers:
        """The bytes of each age that matches, at each of `count` places: int64[ages, count]. place: of each row."""
        names = [f"bytes_{self._wanted.by}_{age}" for age in range(self._wanted.first_age, BINS)]
        places = Places(place, count)
        return np.array([places.total(column) for column in self.columns(names)])

    def by_age(self) -> list[tuple[int | str, Measures]]:
        """The sums of each age bin. Raises TreeError with a filter of small files."""
        if self._wanted.small:
            raise TreeError("sizes are not kept by age", "Ask for small files, or for ages.")
        ages = range(self._wanted.first_age, BINS)
        is_file, is_directory = (column > 0 for column in self.columns(["files", "directories"]))
        columns = self.columns(self._bins(ages))
        rows = []
        for age, records, size in zip(ages, columns[: len(ages)], columns[len(ages) :], strict=True):
            measures = Measures(
                int(records.sum()),
                int(records[is_file].sum()),
                int(records[is_directory].sum()),
                min(sum(size.tolist()), LARGEST),
            )
            rows.append((age_name(age), measures))
        return [row for row in rows if row[1].records]

    def by_size(self) -> list[tuple[int | str, Measures]]:
        """The number of files of each size class. Raises TreeError with a filter by age."""
        if self._wanted.older_than is not None:
            raise TreeError("sizes are not kept by age", "Leave the age out.")
        names = SIZE_COLUMNS[:SMALL_CLASSES] if self._wanted.small else SIZE_COLUMNS
        counts = [int(column.sum()) for column in self.columns(names)]
        return [
            (name, Measures(count, count, 0, None)) for name, count in zip(SIZE_NAMES, counts, strict=False) if count
        ]


def is_in(column: pa.ChunkedArray, values: frozenset[Any]) -> Booleans:
    """True for each value of a column that is among some values."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return np.isin(column.to_numpy(), np.array(sorted(values), np.int64))
    matching = []
    for chunk in column.chunks:
        codes = [code for code, name in enumerate(chunk.dictionary.to_pylist()) if name in values]
        matching.append(np.isin(chunk.indices.to_numpy(), codes))
    return np.concatenate(matching)


def as_array(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """The values of a column; names as str."""
    import pyarrow as pa

    is_name = pa.types.is_dictionary(column.type)
    return np.array(column.cast(pa.string()).to_pylist(), object) if is_name else np.asarray(column)


def age_name(age: int) -> str:
    """An age bin in words."""
    if age == 0:
        return f"under {AGE_DAYS[0]} days"
    if age == len(AGE_DAYS):
        return f"{AGE_DAYS[-1]} days and more"
    return f"{AGE_DAYS[age - 1]} to {AGE_DAYS[age] - 1} days"
