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

VERSION = 1
MANIFEST = "manifest.json"
DIRECTORIES, USAGE, CELLS, OWN = "directories", "usage", "ages", "own"
KINDS = (DIRECTORIES, USAGE, CELLS, OWN)
ROWS = {DIRECTORIES: 8192, USAGE: 8192, CELLS: 16384, OWN: 16384}

COUNTS = ("records", "files", "directories", "bytes")
TIMES = ("oldest_mtime", "newest_mtime", "oldest_atime", "newest_atime")
MEASURES = (*COUNTS, *TIMES)
BINS = len(AGE_DAYS) + 1
MTIME_BYTES = tuple(f"bytes_mtime_{number}" for number in range(BINS))
ATIME_BYTES = tuple(f"bytes_atime_{number}" for number in range(BINS))
SIZE_FILES = tuple(f"files_size_{number}" for number in range(len(SIZE_NAMES)))
PLACES = ("first_child", "children", "first_usage", "usage_rows", "first_age", "age_rows")
"""Of a directory: the row of its first child in the file of the next depth, their number, and its rows in the other
files of its depth."""

DEPTH_SHIFT = 40
"""The id of a directory is its depth, shifted, and its row in the file of that depth."""


def file_of(folder: Path, kind: str, depth: int) -> Path:
    """The path of a file of an index."""
    return folder / kind / f"{depth:04}.parquet"


def schema_of(kind: str) -> pa.Schema:
    """The columns of a kind of file."""
    import pyarrow as pa

    int64, name = pa.int64(), pa.dictionary(pa.int32(), pa.string())
    key = [("directory", int64), ("gid", int64), ("uid", int64), ("filetype", name)]
    if kind == DIRECTORIES:
        columns = [("id", int64), ("parent", int64), ("depth", int64), ("path", pa.binary())]
        return pa.schema(columns + [(column, int64) for column in (*MEASURES, *PLACES)])
    if kind == USAGE:
        return pa.schema(key + [(column, int64) for column in (*MEASURES, *MTIME_BYTES, *ATIME_BYTES, *SIZE_FILES)])
    bins = [(column, pa.int8()) for column in ("mtime_age", "atime_age", "size_class")]
    return pa.schema(key + bins + [(column, int64) for column in ("records", "bytes", *TIMES)])


def writer_options(kind: str) -> dict[str, object]:
    """Options of pyarrow's ParquetWriter for a kind of file."""
    by_dictionary = ["gid", "uid", "filetype", "mtime_age", "atime_age", "size_class"]
    schema = schema_of(kind)
    encodings = {
        column: "DELTA_BYTE_ARRAY" if column == "path" else "DELTA_BINARY_PACKED"
        for column in schema.names
        if column not in by_dictionary
    }
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [column for column in schema.names if column in by_dictionary],
        "column_encoding": encodings,
        "write_statistics": ["id", "path", "directory"],
    }
