"""The files of an index: `<kind>/<depth>.parquet` and `manifest.json`, and the columns of each kind.

Format: Apache Parquet. The rows of each file are sorted by directory, directories by depth and then by path, so that
children of one directory lie together. A row group has ROWS rows of the kind; only the last of a file has fewer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lurge.model.tree import AGE_DAYS, SIZE_NAMES
from lurge.store.tree.parquet import BYTE_ARRAY, Column

VERSION = 2
MANIFEST = "manifest.json"
DIRECTORIES, USAGE, OWN = "directories", "usage", "own"
KINDS = (DIRECTORIES, USAGE, OWN)
ROWS = {DIRECTORIES: 8192, USAGE: 8192, OWN: 1024}

COUNTS = ("records", "files", "directories", "bytes")
TIMES = ("oldest_mtime", "newest_mtime", "oldest_atime", "newest_atime")
MEASURES = (*COUNTS, *TIMES)
BINS = len(AGE_DAYS) + 1
BIN_COLUMNS = (
    *(
        f"{sum_of}_{time}_{number}"
        for time in ("mtime", "atime")
        for sum_of in ("records", "bytes")
        for number in range(BINS)
    ),
    *(f"files_size_{number}" for number in range(len(SIZE_NAMES))),
)
"""Sums by age of mtime, by age of atime, and files by size."""

USAGE_PLACES = ("first_usage", "usage_rows")
PLACES = ("first_child", "children", *USAGE_PLACES)
"""Of a directory: the row of its first child in the file of the next depth, their number, and its rows in the usage of
its depth."""

DEPTH_SHIFT = 40
"""The id of a directory is its depth, shifted, and its row in the file of that depth."""


PATH = Column("path", BYTE_ARRAY)
FILETYPE = Column("filetype", BYTE_ARRAY, is_text=True)


def file_of(folder: Path, kind: str, depth: int) -> Path:
    """The path of a file of an index."""
    return folder / kind / f"{depth:04}.parquet"


@cache
def columns_of(kind: str) -> tuple[Column, ...]:
    """The columns of a kind of file."""
    if kind == DIRECTORIES:
        names = ("id", "parent", "depth", "path", *MEASURES, *PLACES)
        optional = ("parent", *TIMES)
        return tuple(PATH if name == PATH.name else Column(name, is_optional=name in optional) for name in names)
    key = (Column("directory"), Column("gid"), Column("uid"), FILETYPE)
    return (*key, *map(Column, (*MEASURES, *BIN_COLUMNS)))
