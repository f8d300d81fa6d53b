"""Writing the files of an index, one for each kind and depth."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lurge.aggregate.rollup import Cells, RolledUp
from lurge.kernels.cells import LONGEST_CELL
from lurge.kernels.pages import (
    NEXT_RANGE,
    ROWS_USED,
    TILE,
    USAGE_COLUMNS,
    USAGE_NUMBERS,
    VALUE_BYTES,
    append_cells,
    append_paths,
    extremes,
    split_rows,
)
from lurge.kernels.rollup import (
    CELL_COUNT,
    CHILD,
    CHILDREN,
    DEPTH_OF,
    MEASURES,
    NAME_LENGTH,
    NAME_START,
    NUMBER,
    PARENT,
    TOTAL,
)
from lurge.kernels.wide import VECTOR
from lurge.model.tree import ENDS
from lurge.store.tree.layout import (
    DEPTH_SHIFT,
    DIRECTORIES,
    FILETYPE,
    OWN,
    PATH,
    ROWS,
    TIMES,
    USAGE,
    columns_of,
    file_of,
)
from lurge.store.tree.parquet import Chunk, Column, Compress, ParquetFile, encode, indices, plain, split, with_levels

Numbers = npt.NDArray[np.int64]
Text = npt.NDArray[np.uint8]
Encode = Callable[[Compress], list[Chunk]]
"""Encodes the rows of a row group, with a function that compresses a page."""

WRITERS, WRITES_AHEAD = 2, 2
LEVEL = 1
"""Of Zstandard: level 3 takes a third more time, and saves nothing."""

FIRST_ROWS, FIRST_TEXT = 16, 1 << 12


@dataclass(frozen=True)
class RowGroup:
    """A full row group of a file, and how to encode it."""

    file: ParquetFile
    rows: int
    encode: Encode


class CellRows:
    """The rows of usage of one depth, which wait as cells. filetypes: the names of all filetypes by their numbers."""

    def __init__(self, path: Path, kind: str, filetypes: Sequence[bytes]) -> None:
        self._columns, self._room, self._filetypes = columns_of(kind), ROWS[kind], filetypes
        self.file = ParquetFile(path, self._columns)
        self._ids, self._text = np.empty(FIRST_ROWS, np.int64), np.empty(FIRST_TEXT, np.uint8)
        self._state = np.zeros(5, np.int64)
        self.rows = 0

    def add(self, ids: Numbers, ranges: Numbers, cells: Cells) -> Iterator[RowGroup]:
        """Add the cells of some directories; yields what is full. ranges: int64[n, >= 3], as outputs of `roll_up`."""
        self._state[NEXT_RANGE:] = 0
        self.rows += int(ranges[:, CELL_COUNT].sum())
        while True:
            append_cells(self._text, self._ids, self._state, ranges, cells.text, cells.lengths, ids)
            if self._state[ROWS_USED] == self._room:
                yield self._take()
            elif self._state[NEXT_RANGE] < len(ranges):
                self._grow()
            else:
                return

    def _grow(self) -> None:
        """Make room. Most files of a very deep tree have few rows."""
        rows, used = self._state[:NEXT_RANGE].tolist()
        if rows == len(self._ids):
            ids = np.empty(min(4 * rows, self._room), np.int64)
            ids[:rows] = self._ids
            self._ids = ids
        if used + LONGEST_CELL > len(self._text) - VECTOR:
            text = np.empty(2 * len(self._text), np.uint8)
            text[:used] = self._text[:used]
            self._text = text

    def _take(self) -> RowGroup:
        """All rows that wait, which are forgotten."""
        rows, used = self._state[:NEXT_RANGE].tolist()
        ids, text = self._ids[:rows], self._text[:used]
        self._ids, self._text = np.empty_like(self._ids), np.empty_like(self._text)
        self._state[:NEXT_RANGE] = 0
        return RowGroup(self.file, rows, partial(encode_usage, self._columns, self._filetypes, ids, text))

    def rest(self) -> Iterator[RowGroup]:
        """The last row group, if there is one."""
        if self._state[ROWS_USED]:
            yield self._take()


class DirectoryRows:
    """The directories of one depth, which wait as they are written: int64[columns, rows], and their paths."""

    def __init__(self, path: Path) -> None:
        self._columns, self._room = columns_of(DIRECTORIES), ROWS[DIRECTORIES]
        self.file = ParquetFile(path, self._columns)
        self._numbers = np.empty((len(self._columns) - 1, FIRST_ROWS), np.int64)
        self._text, self._places = np.empty(FIRST_TEXT, np.uint8), np.empty((FIRST_ROWS, 2), np.int64)
        self._used = self._bytes = self.rows = 0

    def add(self, numbers: Numbers, names: Text, starts: Numbers, lengths: Numbers) -> Iterator[RowGroup]:
        """Add directories; yields what is full.

        numbers: int64[columns, n]. names: uint8, translated paths; starts, lengths: int64[n].
        """
        done, count = 0, numbers.shape[1]
        self.rows += count
        while done < count:
            part = slice(done, done + min(count - done, self._room - self._used))
            self._make_room(part.stop - done, int(lengths[part].sum()))
            after = self._used + part.stop - done
            self._numbers[:, self._used : after] = numbers[:, part]
            places = self._places[self._used : after]
            self._bytes = append_paths(self._text, self._bytes, names, starts[part], lengths[part], places)
            self._used, done = after, part.stop
            if self._used == self._room:
                yield self._take()

    def _make_room(self, rows: int, path_bytes: int) -> None:
        needed = self._used + rows
        if needed > len(self._places):
            size = min(max(needed, 4 * len(self._places)), self._room)
            numbers, places = np.empty((len(self._numbers), size), np.int64), np.empty((size, 2), np.int64)
            numbers[:, : self._used], places[: self._used] = (
                self._numbers[:, : self._used],
                self._places[: self._used],
            )
            self._numbers, self._places = numbers, places
        # Each path has its length before it, and that of the root is one byte.
        needed = self._bytes + path_bytes + 5 * rows
        if needed > len(self._text):
            text = np.empty(2 * needed, np.uint8)
            text[: self._bytes] = self._text[: self._bytes]
            self._text = text

    def _take(self) -> RowGroup:
        """All rows that wait, which are forgotten."""
        rows = self._used
        numbers, places, text = self._numbers[:, :rows], self._places[:rows], self._text[: self._bytes]
        self._numbers, self._places, self._text = map(np.empty_like, (self._numbers, self._places, self._text))
        self._used = self._bytes = 0
        return RowGroup(self.file, rows, partial(encode_directories, self._columns, numbers, places, text))

    def rest(self) -> Iterator[RowGroup]:
        """The last row group, if there is one."""
        if self._used:
            yield self._take()


def encode_directories(
    columns: Sequence[Column], numbers: Numbers, places: Numbers, text: Text, compress: Compress
) -> list[Chunk]:
    """Encode a row group of directories. A parent is null at the top, times where there is no record."""
    names = [column.name for column in columns if column is not PATH]
    values = dict(zip(names, numbers, strict=True))
    missing = dict.fromkeys(TIMES, values["records"] == 0) | {"parent": values["depth"] == 0}
    chunks = []
    for column in columns:
        if column is PATH:
            least, greatest = (bytes_at(text, *places[number].tolist()) for number in extremes(text, places))
            chunks.append(encode(column, len(places), text, compress, (least, greatest)))
            continue
        these = values[column.name]
        bounds = (plain(int(these[0])), plain(int(these[-1]))) if column.name == "id" else None
        page = with_levels(these, missing[column.name]) if column.is_optional else split(these)
        chunks.append(encode(column, len(these), page, compress, bounds))
    return chunks


def bytes_at(text: Text, start: int, length: int) -> bytes:
    """A part of a text."""
    return text[start : start + length].tobytes()


def encode_usage(
    columns: Sequence[Column], filetypes: Sequence[bytes], ids: Numbers, text: Text, compress: Compress
) -> list[Chunk]:
    """Encode a row group of usage, of whose directories the ids increase."""
    count = len(ids)
    planes = np.zeros((len(USAGE_NUMBERS), VALUE_BYTES * count), np.uint8)
    types = np.empty(count, np.uint16)
    scratch = np.empty((TILE, USAGE_COLUMNS), np.int64), np.empty(TILE, np.int64)
    split_rows(planes.reshape(-1), types, *scratch, text, ids, len(filetypes) - len(ENDS))
    pages = iter(planes)
    chunks = []
    for column in columns:
        if column is FILETYPE:
            page = indices(types, len(filetypes))
            chunks.append(encode(column, count, page, compress, dictionary=filetypes))
            continue
        bounds = (plain(int(ids[0])), plain(int(ids[-1]))) if column.name == "directory" else None
        chunks.append(encode(column, count, next(pages), compress, bounds))
    return chunks


class Pool:
    """Threads that encode row groups, which are written in the order in which they came."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(WRITERS)
        self._begun: deque[tuple[RowGroup, Future[list[Chunk]]]] = deque()
        self._local = threading.local()

    def write(self, group: RowGroup) -> None:
        """Write a row group later. Raises what writing an earlier one raised."""
        self._begun.append((group, self._threads.submit(self._encode, group)))
        while len(self._begun) > WRITERS + WRITES_AHEAD:
            self._finish_one()

    def _encode(self, group: RowGroup) -> list[Chunk]:
        from zstandard import ZstdCompressor

        if not hasattr(self._local, "compressor"):
            self._local.compressor = ZstdCompressor(level=LEVEL)
        return group.encode(self._local.compressor.compress)

    def _finish_one(self) -> None:
        group, chunks = self._begun.popleft()
        group.file.append(group.rows, chunks.result())

    def finish(self) -> None:
        """Write all that was begun."""
        while self._begun:
            self._finish_one()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)


class IndexWriter:
    """All files of an index. filetypes: the names of all filetypes by their numbers."""

    def __init__(self, folder: Path, filetypes: Sequence[str]) -> None:
        self._folder = folder
        self._filetypes = [name.encode() for name in filetypes]
        self._directories: dict[int, DirectoryRows] = {}
        self._cells: dict[tuple[str, int], CellRows] = {}
        self._pool = Pool()
        self.directories = 0

    def _cell_rows(self, kind: str, depth: int) -> CellRows:
        if (kind, depth) not in self._cells:
            self._cells[kind, depth] = CellRows(file_of(self._folder, kind, depth), kind, self._filetypes)
        return self._cells[kind, depth]

    def _writers(self) -> list[DirectoryRows | CellRows]:
        return [*self._directories.values(), *self._cells.values()]

    def add(self, part: RolledUp) -> None:
        """Add finished directories. Raises OSError."""
        self._add_directories(part.directories, part.names, part.cells)
        ids = ids_of(part.own)
        for depth in np.unique(part.own[:, DEPTH_OF]).tolist():
            here = part.own[:, DEPTH_OF] == depth
            self._write(self._cell_rows(OWN, depth).add(ids[here], part.own[here], part.own_cells))

    def _add_directories(self, rows: Numbers, names: Text, cells: Cells) -> None:
        for depth in np.unique(rows[:, DEPTH_OF]).tolist():
            here = rows[rows[:, DEPTH_OF] == depth]
            usage = self._cell_rows(USAGE, depth)
            if depth not in self._directories:
                self._directories[depth] = DirectoryRows(file_of(self._folder, DIRECTORIES, depth))
            ids, counts = ids_of(here), here[:, CELL_COUNT]
            numbers = np.vstack([
                ids, ((depth - 1) << DEPTH_SHIFT) + here[:, PARENT], here[:, DEPTH_OF],
                here[:, TOTAL : TOTAL + MEASURES].T, here[:, CHILD], here[:, CHILDREN],
                usage.rows + np.cumsum(counts) - counts, counts,
            ])  # fmt: skip
            writer = self._directories[depth]
            self._write(writer.add(numbers, names, here[:, NAME_START], here[:, NAME_LENGTH]))
            self._write(usage.add(ids, here, cells))
            self.directories += len(here)

    def _write(self, groups: Iterator[RowGroup]) -> None:
        for group in groups:
            self._pool.write(group)

    def close(self) -> Mapping[str, int]:
        """Finish all files; returns the number of rows of each kind. Raises OSError."""
        rows = {DIRECTORIES: sum(writer.rows for writer in self._directories.values())}
        for writer in self._writers():
            self._write(writer.rest())
            self._pool.finish()
            writer.file.close()
        for (kind, _), cells in self._cells.items():
            rows[kind] = rows.get(kind, 0) + cells.rows
        self._pool.close()
        return rows

    def abandon(self) -> None:
        """Write nothing more, and close all files."""
        self._pool.close()
        for writer in self._writers():
            with suppress(OSError):
                writer.file.abandon()


def ids_of(rows: Numbers) -> Numbers:
    """The ids of directories. rows: int64[n, >= PARENT], as outputs of `roll_up`."""
    return np.asarray((rows[:, DEPTH_OF] << DEPTH_SHIFT) + rows[:, NUMBER])


FROM_TRANSLATED = np.array([47, *range(47), *range(48, 256)], np.uint8)
"""uint8[256]: the byte of a path that each byte of a translated one stands for."""

TO_TRANSLATED = np.empty(256, np.uint8)
TO_TRANSLATED[FROM_TRANSLATED] = np.arange(256)
