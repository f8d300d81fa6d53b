"""The tree index as pandas DataFrames, for notebooks and scripts (docs/tree.md).

from lurge.tree import open_tree

tree = open_tree("out/tree", "scratch101")
tree.children("/lustre/scratch101/teams", groups=["cancer"], older_than=730)
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from lurge.model.paths import shown
from lurge.store.tree.directory import Directory
from lurge.store.tree.layout import TIMES
from lurge.store.tree.read import (
    By,
    Index,
    as_path,
    indexed_volumes,
    numbers_of,
    open_index,
)
from lurge.store.tree.sums import Measures
from lurge.store.tree.usage import Axis, Filter

__all__ = ["Tree", "open_tree", "volumes"]

PathLike = str | bytes | os.PathLike[str]
Wanted = Iterable[str | int] | None


class Tree:
    """The index of one volume and date. `open_tree` makes one.

    Filters: groups and users by name or number, filetypes by name, older_than in days (30, 60, 180, 365, 730, 1095,
    1825 or 2555), by "mtime" or "atime". Columns: records, files, directories, bytes (hard links share theirs), and the
    oldest and newest mtime and atime as UTC timestamps. A time is NaT if there is no record, or if the index does not
    keep it for a filter by age. Every method raises TreeError.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._other: Tree | None = None

    @property
    def volume(self) -> str:
        """The name of the volume."""
        return self._index.volume

    @property
    def date(self) -> datetime.date:
        """The record date."""
        return self._index.date

    @property
    def path(self) -> str:
        """The path of the directory that holds all others."""
        return os.fsdecode(self._index.top.path)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of the index."""
        return self._index.manifest

    def filter(
        self,
        groups: Wanted = None,
        users: Wanted = None,
        filetypes: Iterable[str] | None = None,
        older_than: int | None = None,
        by: Axis = "mtime",
    ) -> Filter:
        """The filter that other methods make of their arguments."""
        manifest = self._index.manifest
        return Filter(
            gids=numbers_of(groups, manifest["groups"], "group"),
            uids=numbers_of(users, manifest["users"], "user"),
            filetypes=None if filetypes is None else frozenset(filetypes),
            older_than=older_than,
            by=by,
        )

    def total(self, path: PathLike | None = None, **filters: Any) -> pd.Series[Any]:
        """Everything in a directory and below it that matches."""
        return pd.Series(asdict(self._index.total(self._find(path), self.filter(**filters))))

    def children(self, path: PathLike | None = None, **filters: Any) -> pd.DataFrame:
        """The directories in a directory that hold something that matches, in the order of their names.

        filters: groups, users, filetypes, older_than, by. The column `path` has paths as str; bytes that are not UTF-8
        are surrogate escapes.
        """
        found = self._index.child_sums(self._find(path), self.filter(**filters), ("path",))
        table, sums = found.table, found.sums
        # Other types of strings cannot have surrogate escapes.
        paths = pd.Series(decoded(table["path"]) if table else [], dtype=object)
        columns: dict[str, Any] = {"path": paths, **sums.columns}
        for time in TIMES:
            columns[time] = as_times(pd.arrays.IntegerArray(sums.columns[time], sums.missing[time]))
        return pd.DataFrame(columns)

    def usage(
        self, path: PathLike | None = None, by: By = "group", accessed: bool = False, **filters: Any
    ) -> pd.DataFrame:
        """Everything in a directory and below it, by group, user, filetype, age or size.

        by: "group", "user", "filetype", "age" or "size". accessed: ages are those of atime instead of mtime. filters:
        groups, users, filetypes, older_than.
        """
        wanted = self.filter(**filters, by="atime" if accessed else "mtime")
        rows = self._index.by(self._find(path), wanted, by)
        names = {"group": self._index.manifest["groups"], "user": self._index.manifest["users"]}.get(by, {})
        return self._frame(
            [{by: value, **({"name": names.get(str(value))} if names else {}), **asdict(sums)} for value, sums in rows],
            by,
        )

    def where(self, path: PathLike | None = None, **filters: Any) -> pd.DataFrame:
        """The children that hold the most, with their share of all that matches in the directory."""
        children = self.children(path, **filters).sort_values("bytes", ascending=False, ignore_index=True)
        whole = self.total(path, **filters)["bytes"]
        children.insert(1, "share", children["bytes"] / whole if whole else 0.0)
        return children

    def compare(
        self, other_date: datetime.date | str | Tree, path: PathLike | None = None, **filters: Any
    ) -> pd.DataFrame:
        """The children of a directory at another date beside those of this one, the largest growth first.

        Columns: path, bytes and records now, before, and their difference.
        """
        other = other_date if isinstance(other_date, Tree) else self.at(other_date)
        now = self.children(path, **filters).set_index("path")[["bytes", "records"]]
        then = other.children(path if path is not None else self.path, **filters).set_index("path")
        old = then[["bytes", "records"]].add_suffix("_before")
        paths = now.index.union(old.index)
        both = now.reindex(paths, fill_value=0).join(old.reindex(paths, fill_value=0))
        for column in ("bytes", "records"):
            both[f"{column}_growth"] = both[column] - both[f"{column}_before"]
        return both.sort_values("bytes_growth", ascending=False).reset_index()

    def at(self, other_date: datetime.date | str) -> Tree:
        """The index of this volume at another date. The last one stays open."""
        day = as_date(other_date)
        if self._other is None or self._other.date != day:
            self._other = Tree(open_index(self._index.folder.parent.parent, self.volume, day))
        return self._other

    def _find(self, path: PathLike | None) -> Directory:
        return self._index.top if path is None else self._index.find(as_path(path))

    def _frame(self, rows: list[dict[str, Any]], first: str) -> pd.DataFrame:
        columns = list(rows[0]) if rows else [first, *Measures.__dataclass_fields__]
        frame = pd.DataFrame(rows, columns=columns)
        for time in TIMES:
            frame[time] = as_times(frame[time].astype("Int64"))
        return frame

    def __repr__(self) -> str:
        return f"<Tree of {self.volume}, {self.date}: {shown(self._index.top.path)}>"


def decoded(paths: pa.ChunkedArray) -> list[str]:
    """Paths as str. A whole column is decoded at once, if it is valid."""
    try:
        texts: list[str] = paths.cast(pa.string()).to_pylist()
    except pa.ArrowInvalid:
        texts = [os.fsdecode(path) for path in paths.to_pylist()]
    return texts


def as_times(seconds: Any) -> Any:
    """UTC timestamps from nullable integers."""
    return pd.to_datetime(pd.Series(seconds), unit="s", utc=True, errors="coerce")


def as_date(date: datetime.date | str) -> datetime.date:
    return datetime.date.fromisoformat(date) if isinstance(date, str) else date


def open_tree(directory: PathLike, volume: str, date: datetime.date | str | None = None) -> Tree:
    """The index of a volume in a directory such as `out/tree`, at a date, or the newest. Raises TreeError."""
    return Tree(open_index(Path(os.fsdecode(directory)), volume, None if date is None else as_date(date)))


def volumes(directory: PathLike) -> list[str]:
    """The volumes that have an index in a directory, sorted."""
    return indexed_volumes(Path(os.fsdecode(directory)))
