"""Writing the Parquet files of an index, one for each kind and depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lurge.aggregate.rollup import RolledUp
from lurge.kernels.cells import (
    BINS,
    BYTES,
    CELL_COLUMNS,
    FIRST_A,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    RECORDS,
    TYPE_MASK,
    UID_SHIFT,
)
from lurge.kernels.rollup import (
    CELL_COUNT,
    CHILD,
    CHILDREN,
    FIRST_CELL,
    MEASURES,
    NAME_LENGTH,
    NAME_START,
    PARENT,
    TOTAL,
    append_cells,
)
from lurge.model.tree import DIRECTORY, ENDS, LINK, SPECIAL
from lurge.store.tree.layout import DEPTH_SHIFT, DIRECTORIES, OWN, ROWS, USAGE, file_of, schema_of, writer_options

Numbers = npt.NDArray[np.int64]
MakeColumns = Callable[[Numbers, list[bytes]], list[Any]]
DIRECTORY_COLUMNS = 3 + MEASURES + 4
WRITERS, WRITES_AHEAD = 2, 1
FEW_ROWS = 16
PADDING = 24
"""Rows that are not used: columns at distances of a power of two would share few places of the processor's cache."""


class RowWriter:
    """One file, whose row groups are all of the same number of rows but the last. They are written by `pool`."""

    def __init__(self, path: Path, kind: str, columns: int, make: MakeColumns, pool: Pool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._kind, self._schema = path, kind, schema_of(kind)
        self._room, self._make, self._pool = ROWS[kind], make, pool
        self._writer: Any = None
        self._columns = new_columns(columns, 0)
        self._names: list[bytes] = []
        self._used = self.rows = 0

    def add(self, columns: Numbers, names: list[bytes]) -> None:
        """Add some rows. columns: int64[columns, n]. names: of each row."""
        count = columns.shape[1]
        self.rows += count
        start = 0
        while start < count:
            part = min(count - start, self._room - self._used)
            self._make_room(part)
            self._columns[:, self._used : self._used + part] = columns[:, start : start + part]
            self._names += names[start : start + part]
            self._used += part
            start += part
            self._write_if_full()

    def add_cells(self, ranges: Numbers, cells: Numbers) -> None:
        """Add cells with the ids of their directories. ranges: int64[n, 3], first cell, number and id of each."""
        count = int(ranges[:, 1].sum())
        self.rows += count
        progress = np.zeros(2, np.int64)
        while count:
            part = min(count, self._room - self._used)
            self._make_room(part)
            append_cells(self._columns[:, : self._used + part], self._used, ranges, progress, cells)
            self._used += part
            count -= part
            self._write_if_full()

    def _make_room(self, more: int) -> None:
        """Most files of a very deep tree have few rows."""
        if self._used + more > self._columns.shape[1]:
            size = min(max(4 * self._columns.shape[1], FEW_ROWS, self._used + more), self._room)
            larger = new_columns(len(self._columns), size)
            larger[:, : self._used] = self._columns[:, : self._used]
            self._columns = larger

    def _write_if_full(self) -> None:
        if self._used == self._room:
            self._write()

    def _write(self) -> None:
        columns, names = self._columns[:, : self._used], self._names
        self._columns, self._names, self._used = new_columns(*self._columns.shape), [], 0
        self._pool.submit(lambda: self._write_group(columns, names))

    def _write_group(self, columns: Numbers, names: list[bytes]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = self._make(columns, names)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema, **writer_options(self._kind))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=self._room)

    def close(self) -> None:
        """Write the remaining rows. A file is opened with its first row group, so that few are open at once."""
        if self._used:
            self._write()
        self._pool.submit(self.end)

    def end(self) -> None:
        """Close the file, if it is open."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


class Pool:
    """A thread that writes in the order in which it is asked to, a few row groups behind."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._begun: deque[Future[None]] = deque()

    def submit(self, write: Callable[[], None]) -> None:
        """Write something later. Raises what an earlier write raised."""
        self._begun.append(self._thread.submit(write))
        while len(self._begun) > WRITES_AHEAD:
            self._begun.popleft().result()

    def close(self) -> None:
        """Wait for all. Raises the first error."""
        try:
            while self._begun:
                self._begun.popleft().result()
        finally:
            self._thread.shutdown(cancel_futures=True)


class IndexWriter:
    """All files of an index. filetypes: the names of all filetypes by their numbers."""

    def __init__(self, folder: Path, filetypes: Sequence[str]) -> None:
        import pyarrow as pa

        self._folder = folder
        self._names = texts([name.encode() for name in filetypes], pa.string())
        self._first_end = len(filetypes) - len(ENDS)
        self._writers: dict[tuple[str, int], RowWriter] = {}
        self._pools = [Pool() for _ in range(WRITERS)]
        self.directories = 0

    def _writer(self, kind: str, depth: int) -> RowWriter:
        if (kind, depth) not in self._writers:
            columns, make = (
                (DIRECTORY_COLUMNS, directory_arrays) if kind == DIRECTORIES else (1 + CELL_COLUMNS, self._usage)
            )
            pool = self._pools[len(self._writers) % WRITERS]
            self._writers[kind, depth] = RowWriter(file_of(self._folder, kind, depth), kind, columns, make, pool)
        return self._writers[kind, depth]

    def add(self, part: RolledUp) -> None:
        """Add finished directories."""
        if len(part.directories):
            self._add_directories(part.directories, part.names, part.cells)
        if len(part.own):
            self._add_own(part.own, part.own_cells)

    def _add_directories(self, rows: Numbers, names: npt.NDArray[np.uint8], cells: Numbers) -> None:
        text = FROM_TRANSLATED[names].tobytes()
        for depth in np.unique(rows[:, 0]).tolist():
            here = rows[rows[:, 0] == depth]
            writer, usage = self._writer(DIRECTORIES, depth), self._writer(USAGE, depth)
            ids = (depth << DEPTH_SHIFT) + writer.rows + np.arange(len(here))
            counts = here[:, CELL_COUNT]
            columns = np.empty((DIRECTORY_COLUMNS, len(here)), np.int64)
            columns[0], columns[1], columns[2] = ids, ((depth - 1) << DEPTH_SHIFT) + here[:, PARENT], depth
            columns[3 : 3 + MEASURES] = here[:, TOTAL : TOTAL + MEASURES].T
            columns[-4], columns[-3] = here[:, CHILD], here[:, CHILDREN]
            columns[-2], columns[-1] = usage.rows + np.cumsum(counts) - counts, counts
            starts, lengths = here[:, NAME_START].tolist(), here[:, NAME_LENGTH].tolist()
            paths = [text[start : start + length] or b"/" for start, length in zip(starts, lengths, strict=True)]
            writer.add(columns, paths)
            usage.add_cells(np.column_stack([here[:, FIRST_CELL], counts, ids]), cells)
            self.directories += len(here)

    def _add_own(self, rows: Numbers, cells: Numbers) -> None:
        counts = rows[:, 2]
        ranges = np.column_stack([np.cumsum(counts) - counts, counts, (rows[:, 0] << DEPTH_SHIFT) + rows[:, 1]])
        for depth in np.unique(rows[:, 0]).tolist():
            self._writer(OWN, depth).add_cells(ranges[rows[:, 0] == depth], cells)

    def _usage(self, columns: Numbers, names: list[bytes]) -> list[Any]:
        """The columns of usage from an id and a cell in each row."""
        import pyarrow as pa

        ids, cells = columns[0], columns[1:]
        filetype, records = cells[KEY] & TYPE_MASK, cells[RECORDS]
        ends = {name: self._first_end + number for number, name in enumerate(ENDS)}
        is_directory = filetype == ends[DIRECTORY]
        is_file = ~is_directory & (filetype != ends[LINK]) & (filetype != ends[SPECIAL])
        numbers = as_arrow(filetype.astype(np.int32))
        numeric = [
            cells[GID], cells[KEY] >> UID_SHIFT & 0xFFFFFFFF, records, records * is_file, records * is_directory,
            *(cells[column] for column in (BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A)), *cells[BINS:],
        ]  # fmt: skip
        gid, uid, *rest = map(as_arrow, numeric)
        return [as_arrow(ids), gid, uid, pa.DictionaryArray.from_arrays(numbers, self._names), *rest]

    def close(self) -> Mapping[str, int]:
        """Finish all files; returns the number of rows of each kind."""
        rows: dict[str, int] = {}
        for (kind, _), writer in self._writers.items():
            writer.close()
            rows[kind] = rows.get(kind, 0) + writer.rows
        for pool in self._pools:
            pool.close()
        return rows

    def abandon(self) -> None:
        """Write nothing more, and close all files."""
        for pool in self._pools:
            with suppress(Exception):
                pool.close()
        for writer in self._writers.values():
            with suppress(Exception):
                writer.end()


def new_columns(columns: int, rows: int) -> Numbers:
    """Columns that are not filled: int64[columns, rows]."""
    return np.empty((columns, rows + (PADDING if rows > PADDING else 1)), np.int64)[:, :rows]


def directory_arrays(columns: Numbers, names: list[bytes]) -> list[Any]:
    """The columns of directories; a parent is null at the top, times where there is no record."""
    import pyarrow as pa

    ids, parents, depth, *rest = columns
    counts, times, places = rest[:4], rest[4:MEASURES], rest[MEASURES:]
    nothing = counts[0] == 0
    return [
        as_arrow(ids), as_arrow(parents, depth == 0), as_arrow(depth), texts(names, pa.binary()),
        *map(as_arrow, counts), *(as_arrow(time, nothing) for time in times), *map(as_arrow, places),
    ]  # fmt: skip


def texts(values: Sequence[bytes], kind: Any) -> Any:
    """Texts as an Arrow array of binary or string."""
    import pyarrow as pa

    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])


def as_arrow(numbers: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None = None) -> Any:
    """Numbers as an Arrow array, with nulls where `missing` is true.

    pyarrow's own conversion imports pandas first, which takes a quarter of a second.
    """
    import pyarrow as pa

    valid = None if missing is None else pa.py_buffer(np.packbits(~missing, bitorder="little"))
    kind = pa.int32() if numbers.dtype == np.int32 else pa.int64()
    return pa.Array.from_buffers(kind, len(numbers), [valid, pa.py_buffer(np.ascontiguousarray(numbers))])


FROM_TRANSLATED = np.array([47, *range(47), *range(48, 256)], np.uint8)
"""uint8[256]: the byte of a path that each byte of a translated one stands for."""

TO_TRANSLATED = np.empty(256, np.uint8)
TO_TRANSLATED[FROM_TRANSLATED] = np.arange(256)
