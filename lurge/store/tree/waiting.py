"""Rows of an index that wait until there are enough of them for a row group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lurge.aggregate.rollup import Cells, Numbers, Text
from lurge.aggregate.room import enlarged
from lurge.kernels.cells import LONGEST_CELL
from lurge.kernels.pages import NEXT_RANGE, ROWS_USED, append_cells, append_paths
from lurge.kernels.rollup import CELL_COUNT
from lurge.kernels.wide import VECTOR
from lurge.store.tree.encode import DirectoryRows, EncodedRows, UsageRows
from lurge.store.tree.layout import DIRECTORIES, ROWS, columns_of
from lurge.store.tree.parquet import ParquetFile

FIRST_ROWS, FIRST_TEXT = 16, 1 << 12


@dataclass(frozen=True)
class RowGroup:
    """The rows of a row group, and the file to which they belong."""

    file: ParquetFile
    rows: EncodedRows


class WaitingUsage:
    """The rows of usage of one depth, which wait as cells. filetypes: the names of all filetypes by their numbers."""

    def __init__(self, path: Path, kind: str, filetypes: tuple[bytes, ...]) -> None:
        self._kind, self._room, self._filetypes = kind, ROWS[kind], filetypes
        self.file = ParquetFile(path, columns_of(kind))
        self._ids, self._text = np.empty(min(FIRST_ROWS, self._room), np.int64), np.empty(FIRST_TEXT, np.uint8)
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
            self._ids = enlarged(self._ids, rows, min(4 * rows, self._room))
        if used + LONGEST_CELL > len(self._text) - VECTOR:
            self._text = enlarged(self._text, used, 2 * len(self._text))

    def _take(self) -> RowGroup:
        """All rows that wait, which are forgotten."""
        rows, used = self._state[:NEXT_RANGE].tolist()
        ids, text = self._ids[:rows], self._text[: used + VECTOR]
        self._ids, self._text = np.empty_like(self._ids), np.empty_like(self._text)
        self._state[:NEXT_RANGE] = 0
        return RowGroup(self.file, UsageRows(self._kind, self._filetypes, ids, text))

    def rest(self) -> Iterator[RowGroup]:
        """The last row group, if there is one."""
        if self._state[ROWS_USED]:
            yield self._take()


class WaitingDirectories:
    """The directories of one depth, which wait as they are written: int64[columns, rows], and their paths."""

    def __init__(self, path: Path) -> None:
        columns, self._room = columns_of(DIRECTORIES), ROWS[DIRECTORIES]
        self.file = ParquetFile(path, columns)
        self._numbers = np.empty((len(columns) - 1, FIRST_ROWS), np.int64)
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
            numbers = np.empty((len(self._numbers), size), np.int64)
            numbers[:, : self._used] = self._numbers[:, : self._used]
            self._numbers = numbers
            self._places = enlarged(self._places, self._used, size)
        # Each path has its length before it, and that of the root is one byte.
        needed = self._bytes + path_bytes + 5 * rows
        if needed > len(self._text):
            self._text = enlarged(self._text, self._bytes, 2 * needed)

    def _take(self) -> RowGroup:
        """All rows that wait, which are forgotten."""
        rows = self._used
        numbers, places, text = self._numbers[:, :rows], self._places[:rows], self._text[: self._bytes]
        self._numbers, self._places, self._text = map(np.empty_like, (self._numbers, self._places, self._text))
        self._used = self._bytes = 0
        return RowGroup(self.file, DirectoryRows(numbers, places, text))

    def rest(self) -> Iterator[RowGroup]:
        """The last row group, if there is one."""
        if self._used:
            yield self._take()
