"""The files of an index: `<kind>/<depth>.parquet` and `manifest.json`, and the columns of each kind.

Format: Apache Parquet. The rows of each file are sorted by directory, directories by depth and then by path, so that
children of one directory lie together. A row group has ROWS rows of the kind; only the last of a file has fewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lurge.model.tree import AGE_DAYS, SIZE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

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


def file_of(folder: Path, kind: str, depth: int) -> Path:
    """The path of a file of an index."""
    return folder / kind / f"{depth:04}.parquet"


def schema_of(kind: str) -> pa.Schema:
    """The columns of a kind of file."""
    import pyarrow as pa

    int64, name = pa.int64(), pa.dictionary(pa.int32(), pa.string())
    if kind == DIRECTORIES:
        columns = [("id", int64), ("parent", int64), ("depth", int64), ("path", pa.binary())]
        return pa.schema(columns + [(column, int64) for column in (*MEASURES, *PLACES)])
    key = [("directory", int64), ("gid", int64), ("uid", int64), ("filetype", name)]
    columns = key + [(column, int64) for column in (*MEASURES, *BIN_COLUMNS)]
    return pa.schema([pa.field(column, kind, nullable=False) for column, kind in columns])


def writer_options(kind: str) -> dict[str, object]:
    """Options of pyarrow's ParquetWriter for a kind of file."""
    by_dictionary = ["gid", "uid", "filetype"]
    schema = schema_of(kind)
    others = [column for column in schema.names if column not in by_dictionary]
    encodings = dict.fromkeys(others, "DELTA_BINARY_PACKED" if kind == DIRECTORIES else "BYTE_STREAM_SPLIT")
    if kind == DIRECTORIES:
        encodings["path"] = "DELTA_BYTE_ARRAY"
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [column for column in schema.names if column in by_dictionary],
        "column_encoding": encodings,
        "write_statistics": ["id", "path", "directory"],
    }
