"""Reading an index: a directory by its path, its children, and sums of everything that matches a filter."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from lurge.errors import TreeError
from lurge.model.paths import shown
from lurge.model.tree import AGE_DAYS, DIRECTORY, LINK, SIZE_NAMES, SMALL_CLASSES, SPECIAL
from lurge.store.tree.layout import (
    BIN_COLUMNS,
    DIRECTORIES,
    MANIFEST,
    MEASURES,
    OWN,
    PLACES,
    ROWS,
    USAGE,
    VERSION,
    file_of,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

REBUILD = "Build it again, if its dump still exists: lurge backfill --tree YYYY-MM-DD."

Axis = Literal["mtime", "atime"]
By = Literal["group", "user", "filetype", "age", "size"]
Numbers = npt.NDArray[np.int64]


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
class Filter:
    """A choice of records: all, or those of some gids, uids and filetypes, and of a minimum age in days.

    older_than: one of AGE_DAYS; by: the time whose age it is. ownerless: gids and uids, one of which a record must have.
    small: only files of at most 64 KiB, whose bytes and ages are not known.
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


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of a damaged file into TreeError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, IndexError) as error:
        raise TreeError(f"{path} cannot be read: {error}", REBUILD) from error


class Files:
    """The Parquet files of an index, opened when they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, int], pq.ParquetFile] = {}
        self._bounds: dict[tuple[str, int, str], list[tuple[Any, Any] | None]] = {}

    def open(self, kind: str, depth: int) -> pq.ParquetFile | None:
        """A file; None if the index has none of that kind and depth."""
        import pyarrow.parquet as pq

        key = kind, depth
        if key not in self._open:
            path = file_of(self._folder, kind, depth)
            if not path.is_file():
                return None
            with reading(path):
                self._open[key] = pq.ParquetFile(path, pre_buffer=False)
        return self._open[key]

    def rows(self, kind: str, depth: int, start: int, count: int, columns: Sequence[str]) -> pa.Table | None:
        """Some rows of a file; None if there are none."""
        file = self.open(kind, depth)
        if file is None or not count:
            return None
        first, last = start // ROWS[kind], (start + count - 1) // ROWS[kind]
        with reading(file_of(self._folder, kind, depth)):
            table = file.read_row_groups(range(first, last + 1), columns=list(columns), use_threads=False)
        return table.slice(start - first * ROWS[kind], count)

    def groups(self, kind: str, depth: int, column: str, value: Any) -> list[int]:
        """The row groups that may hold a value of a column."""
        file = self.open(kind, depth)
        if file is None:
            return []
        key = kind, depth, column
        if key not in self._bounds:
            number = file.schema_arrow.get_field_index(column)
            statistics = [file.metadata.row_group(i).column(number).statistics for i in range(file.num_row_groups)]
            # A very long path has no statistics.
            known = [one is not None and one.has_min_max for one in statistics]
            self._bounds[key] = [
                (one.min, one.max) if has else None for one, has in zip(statistics, known, strict=True)
            ]
        bounds = self._bounds[key]
        return [i for i, bound in enumerate(bounds) if bound is None or bound[0] <= value <= bound[1]]


def check_files(folder: Path, sizes: Mapping[str, int]) -> None:
    """Raise TreeError if a file of an index is missing or was not copied whole. sizes: bytes of each file."""
    for name, size in sizes.items():
        try:
            present = (folder / name).stat().st_size
        except OSError as error:
            raise TreeError(f"{folder / name} cannot be read: {error.strerror}", REBUILD) from error
        if present != size:
            raise TreeError(f"{folder / name} has {present} bytes instead of {size}", REBUILD)


class Index:
    """The index of one volume and date.

    Raises TreeError if it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            version = self.manifest["schema_version"]
        except (OSError, ValueError, KeyError) as error:
            raise TreeError(f"{folder} is not a tree index: {error}", REBUILD) from error
        if version != VERSION:
            raise TreeError(f"{folder} has schema version {version}, this lurge reads {VERSION}", REBUILD)
        check_files(folder, self.manifest.get("files", {}))
        self._files = Files(folder)

    @property
    def volume(self) -> str:
        return str(self.manifest["volume"])

    @property
    def date(self) -> date:
        return date.fromisoformat(self.manifest["date"])

    @cached_property
    def top(self) -> Directory:
        """The directory that holds all others."""
        tops = self._directories(0, 0, 1)
        if not tops:
            raise TreeError(f"{self.folder} has no top directory", REBUILD)
        return tops[0]

    def _directories(self, depth: int, start: int, count: int) -> list[Directory]:
        table = self._files.rows(DIRECTORIES, depth, start, count, ["id", "path", *MEASURES, *PLACES])
        return [Directory(depth, row) for row in table.to_pylist()] if table else []

    def holds(self, path: bytes) -> bool:
        """True if a path is the top of the index or below it."""
        top = self.top.path.rstrip(b"/")
        return path == self.top.path or path.startswith(top + b"/")

    def find(self, path: bytes) -> Directory:
        """The directory at a path. Raises TreeError, which names the nearest directory above, if there is none."""
        if path == self.top.path:
            return self.top
        if not self.holds(path):
            raise TreeError(f"{shown(path)} is not in the tree of {self.volume}", f"Its top is {shown(self.top.path)}.")
        found = self._look_up(path)
        if found:
            return found
        above = path
        while not found:
            above = above.rpartition(b"/")[0] or b"/"
            found = self.top if above == self.top.path else self._look_up(above)
        raise TreeError(
            f"{shown(path)} is not a directory in the tree of {self.volume}, {self.date}",
            f"The nearest directory above it is {shown(found.path)}.",
        )

    def _look_up(self, path: bytes) -> Directory | None:
        """The directory at a path below the top, None if there is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        depth = path[len(self.top.path.rstrip(b"/")) :].count(b"/")
        for group in self._files.groups(DIRECTORIES, depth, "path", path):
            paths = self._files.rows(DIRECTORIES, depth, group * ROWS[DIRECTORIES], ROWS[DIRECTORIES], ["path"])
            place = pc.index(paths["path"], pa.scalar(path, pa.binary())).as_py() if paths else -1
            if place >= 0:
                return self._directories(depth, group * ROWS[DIRECTORIES] + place, 1)[0]
        return None

    def children(self, directory: Directory) -> list[Directory]:
        """The directories in a directory, in the order of their names."""
        row = directory.row
        return self._directories(directory.depth + 1, row["first_child"], row["children"])

    def child_sums(self, directory: Directory, wanted: Filter) -> list[tuple[Directory, Measures]]:
        """The children that hold a record that matches, and the sums of these records."""
        children = self.children(directory)
        if wanted.is_all:
            return [(child, child.measures) for child in children if child.row["records"]]
        if not children:
            return []
        start = children[0].row["first_usage"]
        count = sum(child.row["usage_rows"] for child in children)
        table = self._files.rows(USAGE, directory.depth + 1, start, count, USAGE_COLUMNS)
        owner = np.repeat(np.arange(len(children)), [child.row["usage_rows"] for child in children])
        usage = Usage(table, wanted)
        sums = usage.sums(owner[usage.mask], len(children))
        return [(child, measures) for child, measures in zip(children, sums, strict=True) if measures.records]

    def usage(self, directory: Directory, wanted: Filter, own: bool = False) -> Usage | None:
        """The rows of usage that match a filter, of a directory with all below, or of its own records."""
        row, depth = directory.row, directory.depth
        if not own or not row["children"]:
            table = self._files.rows(USAGE, depth, row["first_usage"], row["usage_rows"], USAGE_COLUMNS)
            return Usage(table, wanted) if table else None
        tables = []
        for group in self._files.groups(OWN, depth, "directory", row["id"]):
            table = self._files.rows(OWN, depth, group * ROWS[OWN], ROWS[OWN], ["directory", *USAGE_COLUMNS])
            if table:
                tables.append(table.filter(table["directory"].to_numpy() == row["id"]))
        if not tables:
            return None
        import pyarrow as pa

        return Usage(pa.concat_tables(tables), wanted)

    @property
    def ownerless(self) -> tuple[frozenset[int], frozenset[int]]:
        """The gids and uids that have no name."""
        gids, uids = (
            frozenset(int(number) for number, name in self.manifest[names].items() if name == number)
            for names in ("groups", "users")
        )
        return gids, uids

    def total(self, directory: Directory, wanted: Filter, own: bool = False) -> Measures:
        """The sums of the records that match a filter."""
        if wanted.is_all and not own:
            return directory.measures
        usage = self.usage(directory, wanted, own)
        return usage.sums(np.zeros(len(usage.records), np.int64), 1)[0] if usage else Measures()

    def by(self, directory: Directory, wanted: Filter, by: By) -> list[tuple[int | str, Measures]]:
        """The sums of a directory by one dimension, the largest first; by age and size in their order."""
        usage = self.usage(directory, wanted)
        if usage is None:
            return []
        if by == "age":
            return usage.by_age()
        if by == "size":
            return usage.by_size()
        column = usage.column({"group": "gid", "user": "uid", "filetype": "filetype"}[by])
        values, place = np.unique(column, return_inverse=True)
        pairs = zip(values.tolist(), usage.sums(place, len(values)), strict=True)
        return sorted(
            (pair for pair in pairs if pair[1].records), key=lambda pair: (-(pair[1].bytes or 0), -pair[1].records)
        )


USAGE_COLUMNS = ("gid", "uid", "filetype", *MEASURES, *BIN_COLUMNS)
"""The columns of usage that filters, and grouping by anything, need."""


class Usage:
    """Rows of usage that match a filter, and what of each row matches its ages.

    mask: bool, which of the rows that the filter was applied to match.
    """

    def __init__(self, table: pa.Table, wanted: Filter) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        mask = np.ones(len(table), np.bool_)
        for column, values in (("gid", wanted.gids), ("uid", wanted.uids), ("filetype", wanted.filetypes)):
            if values is not None:
                kind = pa.string() if column == "filetype" else pa.int64()
                plain = table[column].cast(kind)
                mask &= pc.is_in(plain, value_set=pa.array(sorted(values), kind)).to_numpy()
        if wanted.ownerless is not None:
            of_none = [
                pc.is_in(table[column], value_set=pa.array(sorted(values), pa.int64())).to_numpy()
                for column, values in zip(("gid", "uid"), wanted.ownerless, strict=True)
            ]
            mask &= of_none[0] | of_none[1]
        self._table = table if mask.all() else table.filter(pa.array(mask))
        self._wanted = wanted
        self.filetype = np.array(self._table["filetype"].cast(pa.string()).to_pylist(), object)
        self.is_directory = self.filetype == DIRECTORY
        self.is_file = ~self.is_directory & (self.filetype != LINK) & (self.filetype != SPECIAL)
        ages = range(wanted.first_age, len(AGE_DAYS) + 1)
        if wanted.small:
            self.records = np.sum([self.column(f"files_size_{number}") for number in range(SMALL_CLASSES)], axis=0)
            self.bytes = np.zeros(len(self.records), np.int64)
        elif wanted.older_than is None:
            self.records, self.bytes = self.column("records"), self.column("bytes")
        else:
            self.records, self.bytes = (
                capped_rows([self.column(f"{sum_of}_{wanted.by}_{age}") for age in ages])
                for sum_of in ("records", "bytes")
            )
        self.mask = mask

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column of the rows that match."""
        return self.filetype if name == "filetype" else self._table[name].to_numpy()

    def sums(self, place: Numbers, count: int) -> list[Measures]:
        """The sums of the rows at each of `count` places. place: int64, of each row that matches."""
        has_records = self.records > 0
        is_whole = self.records == self.column("records")
        totals = {name: np.zeros(count, np.int64) for name in ("records", "files", "directories", "bytes")}
        np.add.at(totals["records"], place, self.records)
        np.add.at(totals["files"], place, self.records * self.is_file)
        np.add.at(totals["directories"], place, self.records * self.is_directory)
        totals["bytes"] = capped_sums(place, self.bytes, count)
        times: dict[str, Numbers] = {}
        unknown: dict[str, npt.NDArray[np.bool_]] = {}
        for axis in ("mtime", "atime"):
            for end, extreme, worst in (("oldest", np.minimum, LATEST), ("newest", np.maximum, EARLIEST)):
                name = f"{end}_{axis}"
                times[name] = np.full(count, worst, np.int64)
                extreme.at(times[name], place[has_records], self.column(name)[has_records])
                known = is_whole if end == "newest" or axis != self._wanted.by else np.ones(len(place), np.bool_)
                unknown[name] = np.zeros(count, np.bool_)
                unknown[name][place[has_records & ~known]] = True
        sums = {name: column.tolist() for name, column in totals.items()}
        if self._wanted.small:
            sums["bytes"] = [None] * count
        return [
            Measures(
                *(column[i] for column in sums.values()),
                *(
                    None if unknown[name][i] or not totals["records"][i] else column[i].item()
                    for name, column in times.items()
                ),
            )
            for i in range(count)
        ]

    def by_age(self) -> list[tuple[int | str, Measures]]:
        """The sums of each age bin. Raises TreeError with a filter of small files."""
        if self._wanted.small:
            raise TreeError("sizes are not kept by age", "Ask for small files, or for ages.")
        rows = []
        for age in range(self._wanted.first_age, len(AGE_DAYS) + 1):
            records, size = (self.column(f"{sum_of}_{self._wanted.by}_{age}") for sum_of in ("records", "bytes"))
            measures = Measures(
                int(records.sum()),
                int(records[self.is_file].sum()),
                int(records[self.is_directory].sum()),
                capped_sums(np.zeros(len(size), np.int64), size, 1)[0].item(),
            )
            rows.append((age_name(age), measures))
        return [row for row in rows if row[1].records]

    def by_size(self) -> list[tuple[int | str, Measures]]:
        """The number of files of each size class. Raises TreeError with a filter by age."""
        if self._wanted.older_than is not None:
            raise TreeError("sizes are not kept by age", "Leave the age out.")
        names = SIZE_NAMES[:SMALL_CLASSES] if self._wanted.small else SIZE_NAMES
        counts = [int(self.column(f"files_size_{number}").sum()) for number in range(len(names))]
        return [(name, Measures(count, count, 0, None)) for name, count in zip(names, counts, strict=True) if count]


LATEST, EARLIEST = 2**63 - 1, -(2**63)
LARGEST = 2**63 - 1
"""Sums of bytes are capped here, as in the index."""


def capped_rows(columns: Sequence[Numbers]) -> Numbers:
    """The sum of columns that are not negative, row by row."""
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
        total[total < 0] = LARGEST
    return total


def capped_sums(place: Numbers, values: Numbers, count: int) -> Numbers:
    """The sums of values that are not negative, by place."""
    totals = np.zeros(count, np.int64)
    if values.sum(dtype=np.float64) < LARGEST // 2:
        np.add.at(totals, place, values)
        return totals
    exact = [0] * count
    for at, value in zip(place.tolist(), values.tolist(), strict=True):
        exact[at] += value
    totals[:] = [min(total, LARGEST) for total in exact]
    return totals


def age_name(age: int) -> str:
    """An age bin in words."""
    if age == 0:
        return f"under {AGE_DAYS[0]} days"
    if age == len(AGE_DAYS):
        return f"{AGE_DAYS[-1]} days and more"
    return f"{AGE_DAYS[age - 1]} to {AGE_DAYS[age] - 1} days"


def open_index(directory: Path, volume: str, day: date | None = None) -> Index:
    """The index of a volume and date, the newest without a date. Raises TreeError."""
    from lurge.store.tree.publish import folder_of, indexed_days, place_of

    days = indexed_days(folder_of(directory, volume))
    if not days:
        raise TreeError(f"no tree index of {volume} in {directory}", "`lurge report` builds one each night.")
    if day is None:
        return Index(place_of(directory, volume, days[-1]))
    if day not in days:
        place = bisect_right(days, day)
        near = sorted({days[max(place - 1, 0)], days[min(place, len(days) - 1)]})
        raise TreeError(f"no tree index of {volume} on {day}", f"The nearest are of {' and '.join(map(str, near))}.")
    return Index(place_of(directory, volume, day))


def open_newest(directory: Path) -> tuple[list[Index], list[TreeError]]:
    """The newest index of each volume, and the errors of those that cannot be read."""
    indexes: list[Index] = []
    errors: list[TreeError] = []
    for volume in indexed_volumes(directory):
        try:
            index = open_index(directory, volume)
            if index.top:
                indexes.append(index)
        except TreeError as error:
            errors.append(error)
    return indexes, errors


def indexed_volumes(directory: Path) -> list[str]:
    """The volumes that have an index, sorted."""
    from lurge.store.tree.publish import indexed_days

    if not directory.is_dir():
        return []
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith(".") and indexed_days(path))


def as_path(path: str | bytes | os.PathLike[str]) -> bytes:
    """A path as bytes, without a trailing slash."""
    return os.fsencode(path).rstrip(b"/") or b"/"


def numbers_of(wanted: Iterable[str | int] | None, names: Mapping[str, str], noun: str) -> frozenset[int] | None:
    """The numbers of groups or users that are given by name or number. names: by number. Raises TreeError."""
    if wanted is None:
        return None
    numbers: set[int] = set()
    for one in wanted:
        same_name = {int(number) for number, name in names.items() if name == one}
        if not same_name:
            try:
                same_name = {int(one)}
            except ValueError as error:
                raise TreeError(f"no {noun} {one} has anything in this volume", "Give its name or number.") from error
        numbers |= {number for number in same_name if abs(number) <= LARGEST}
    return frozenset(numbers)
