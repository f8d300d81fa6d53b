"""Reading an index: a directory by its path, its children, and sums of everything that matches a filter."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lurge.errors import TreeError
from lurge.model.paths import shown
from lurge.store.tree.directory import DIRECTORY_COLUMNS, Children, Directory, directories_of
from lurge.store.tree.files import REBUILD, Files, check_files
from lurge.store.tree.layout import DIRECTORIES, MANIFEST, MEASURES, OWN, USAGE, USAGE_PLACES, VERSION
from lurge.store.tree.sums import LARGEST, Measures, Sums
from lurge.store.tree.usage import Filter, Place, Usage

if TYPE_CHECKING:
    pass

USAGES_KEPT = 2
"""Sums of a directory by several dimensions read the same rows, and so do those of its own records."""

By = Literal["group", "user", "filetype", "age", "size"]


MANIFEST_KEYS = ("volume", "path", "date", "dump_time", "filetypes", "groups", "users", "files")


class Index:
    """The index of one volume and date.

    Raises TreeError if it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._identity = identity_of(folder)
        try:
            self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            version, sizes = self.manifest["schema_version"], self.manifest.get("files")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TreeError(f"{folder} is not a tree index: {error}", REBUILD) from error
        if version != VERSION:
            raise TreeError(f"{folder} has schema version {version}, this lurge reads {VERSION}", REBUILD)
        missing = [key for key in MANIFEST_KEYS if key not in self.manifest]
        if missing or not isinstance(sizes, dict):
            raise TreeError(
                f"{folder} is not a tree index: its manifest lacks {', '.join(missing) or 'files'}", REBUILD
            )
        check_files(folder, sizes)
        self._files = Files(folder, sizes, lambda: self.is_current)
        self._usages: dict[tuple[Place, Filter], Usage] = {}

    @property
    def volume(self) -> str:
        return str(self.manifest["volume"])

    @property
    def date(self) -> date:
        return date.fromisoformat(self.manifest["date"])

    @property
    def is_current(self) -> bool:
        """False if another index took the place of this one since it was opened, or none is there."""
        return identity_of(self.folder) == self._identity

    @cached_property
    def top(self) -> Directory:
        """The directory that holds all others."""
        tops = self._directories(0, 0, 1)
        if not tops:
            raise TreeError(f"{self.folder} has no top directory", REBUILD)
        return tops[0]

    def _directories(self, depth: int, start: int, count: int) -> list[Directory]:
        table = self._files.rows(DIRECTORIES, depth, start, count, DIRECTORY_COLUMNS)
        return directories_of(depth, table) if table else []

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
        for first, paths in self._files.groups(DIRECTORIES, depth, "path", path):
            place = pc.index(paths, pa.scalar(path, pa.binary())).as_py()
            if place >= 0:
                return self._directories(depth, first + place, 1)[0]
        return None

    def children(self, directory: Directory) -> list[Directory]:
        """The directories in a directory, in the order of their names."""
        row = directory.row
        return self._directories(directory.depth + 1, row["first_child"], row["children"])

    def child_sums(
        self,
        directory: Directory,
        wanted: Filter,
        columns: Sequence[str] = DIRECTORY_COLUMNS,
        measures: Sequence[str] = MEASURES,
    ) -> Children:
        """The children that hold a record that matches, and the sums of these records.

        columns: those of their rows that are needed. measures: the sums that are needed, `records` among them.
        """
        row, depth = directory.row, directory.depth + 1
        needed = measures if wanted.is_all else USAGE_PLACES
        names = tuple(dict.fromkeys((*columns, *needed)))
        table = self._files.rows(DIRECTORIES, depth, row["first_child"], row["children"], names)
        if table is None:
            return Children(depth, None, Sums.none())
        if wanted.is_all:
            sums = Sums.of_rows(table, measures)
        else:
            counts = table["usage_rows"].to_numpy()
            start, count = table["first_usage"][0].as_py(), counts.sum().item()
            usage = Usage(self._files, (USAGE, depth, start, count), wanted)
            place = np.repeat(np.arange(len(counts)), counts)[usage.matching]
            sums = usage.sums(place, len(counts), measures)
        holding = sums.columns["records"] > 0
        if not holding.all():
            table, sums = table.filter(holding), sums.where(holding)
        return Children(depth, table, sums)

    def ages_of(self, children: Children, wanted: Filter) -> list[int | None]:
        """The age bin that holds most bytes of each child; None if it holds no byte. Their rows need USAGE_PLACES."""
        if not children:
            return []
        assert children.table is not None
        first, counts = (children.table[name].to_numpy() for name in USAGE_PLACES)
        start, end = first.min().item(), (first + counts).max().item()
        # Rows of other children are those of one more.
        place = np.full(end - start, len(children))
        rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        place[rows + np.repeat(first - start, counts)] = np.repeat(np.arange(len(children)), counts)
        usage = Usage(self._files, (USAGE, children.depth, start, end - start), wanted)
        sizes = usage.sizes_by_age(place[usage.matching], len(children) + 1)[:, : len(children)]
        most = zip(sizes.argmax(axis=0).tolist(), sizes.max(axis=0).tolist(), strict=True)
        return [wanted.first_age + age if size else None for age, size in most]

    def usage(self, directory: Directory, wanted: Filter, own: bool = False) -> Usage:
        """The rows of usage that match a filter, of a directory with all below, or of its own records."""
        place = self._usage_place(directory, own)
        if (place, wanted) not in self._usages:
            while len(self._usages) >= USAGES_KEPT:
                del self._usages[next(iter(self._usages))]
            self._usages[place, wanted] = Usage(self._files, place, wanted)
        return self._usages[place, wanted]

    def _usage_place(self, directory: Directory, own: bool) -> Place:
        """The place of the usage of a directory, or of its own records."""
        row, depth = directory.row, directory.depth
        if not own or not row["children"]:
            return USAGE, depth, row["first_usage"], row["usage_rows"]
        places = [
            first + np.searchsorted(ids.to_numpy(), [row["id"], row["id"] + 1])
            for first, ids in self._files.groups(OWN, depth, "directory", row["id"])
        ]
        start, end = (int(places[0][0]), int(places[-1][1])) if places else (0, 0)
        return OWN, depth, start, end - start

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
        return usage.sums(np.zeros(usage.rows, np.int64), 1).measures()[0]

    def by(self, directory: Directory, wanted: Filter, by: By) -> list[tuple[int | str, Measures]]:
        """The sums of a directory by one dimension, the largest first; by age and size in their order."""
        usage = self.usage(directory, wanted)
        if by == "age":
            return usage.by_age()
        if by == "size":
            return usage.by_size()
        column = usage.column({"group": "gid", "user": "uid", "filetype": "filetype"}[by])
        values, place = np.unique(column, return_inverse=True)
        pairs = zip(values.tolist(), usage.sums(place, len(values)).measures(), strict=True)
        holding = [pair for pair in pairs if pair[1].records]
        return sorted(holding, key=lambda pair: (-(pair[1].bytes or 0), -pair[1].records))


def identity_of(folder: Path) -> tuple[int, ...] | None:
    """The identity of a folder, by which it differs from another of the same name; None if there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


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


def open_each(directory: Path, day: date | None = None) -> tuple[list[Index], list[TreeError]]:
    """The index of each volume, the newest or that of a date, and the errors of those that cannot be read."""
    indexes: list[Index] = []
    errors: list[TreeError] = []
    for volume in indexed_volumes(directory):
        try:
            index = open_index(directory, volume, day)
            if index.top:
                indexes.append(index)
        except TreeError as error:
            errors.append(error)
    return indexes, errors


def open_directory(directory: Path, path: bytes, day: date | None = None) -> tuple[Index, Directory]:
    """The directory at a path, and its index: of several that have it, the one whose top is deepest.

    Raises TreeError.
    """
    indexes, errors = open_each(directory, day)
    problem: TreeError | None = None
    for index in sorted(indexes, key=lambda index: -len(index.top.path)):
        if index.holds(path):
            try:
                return index, index.find(path)
            except TreeError as error:
                problem = problem or error
    if day:
        # The newest indexes tell which volume is meant.
        try:
            volume = open_directory(directory, path)[0].volume
        except TreeError as error:
            raise problem or error from None
        index = open_index(directory, volume, day)
        return index, index.find(path)
    if problem:
        raise problem
    if errors:
        raise errors[0]
    if not indexes:
        raise TreeError(f"no tree index in {directory}", "`lurge report` builds one each night.")
    tops = ", ".join(f"{index.volume} ({shown(index.top.path)})" for index in indexes)
    raise TreeError(f"{shown(path)} is in no volume that has a tree index", f"There are {tops}.")


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
