"""Writing the files of an index, one for each kind and depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lurge.aggregate.interface import Crew
from lurge.aggregate.rollup import Cells, Numbers, RolledUp, Text
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
from lurge.store.tree.layout import DEPTH_SHIFT, DIRECTORIES, OWN, USAGE, file_of
from lurge.store.tree.waiting import RowGroup, WaitingDirectories, WaitingUsage

MOST_AT_ONCE, WRITES_AHEAD = 4, 2
"""Row groups that are encoded at once. More of a crew would wait for the one that rolls up."""


class InOrder:
    """Row groups that a crew encodes, and that are written in the order in which they came."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._most = min(MOST_AT_ONCE, crew.size) + WRITES_AHEAD
        self._begun: deque[tuple[RowGroup, int]] = deque()

    def write(self, group: RowGroup) -> None:
        """Write a row group later. Raises what writing an earlier one raised."""
        self._begun.append((group, self._crew.begin(group.rows)))
        while len(self._begun) > self._most:
            self._write_one()

    def _write_one(self) -> None:
        group, number = self._begun.popleft()
        group.file.append(group.rows.count, self._crew.result(number))

    def finish(self) -> None:
        """Write all that was begun."""
        while self._begun:
            self._write_one()


class IndexWriter:
    """All files of an index. filetypes: the names of all filetypes by their numbers. crew: encodes."""

    def __init__(self, folder: Path, filetypes: Sequence[str], crew: Crew) -> None:
        self._folder = folder
        self._filetypes = tuple(name.encode() for name in filetypes)
        self._directories: dict[int, WaitingDirectories] = {}
        self._usage: dict[tuple[str, int], WaitingUsage] = {}
        self._in_order = InOrder(crew)

    def _usage_of(self, kind: str, depth: int) -> WaitingUsage:
        if (kind, depth) not in self._usage:
            self._usage[kind, depth] = WaitingUsage(file_of(self._folder, kind, depth), kind, self._filetypes)
        return self._usage[kind, depth]

    def _writers(self) -> list[WaitingDirectories | WaitingUsage]:
        return [*self._directories.values(), *self._usage.values()]

    def add(self, part: RolledUp) -> None:
        """Add finished directories. Raises OSError."""
        self._add_directories(part.directories, part.names, part.cells)
        ids = ids_of(part.own)
        for depth in np.unique(part.own[:, DEPTH_OF]).tolist():
            here = part.own[:, DEPTH_OF] == depth
            self._write(self._usage_of(OWN, depth).add(ids[here], part.own[here], part.own_cells))

    def _add_directories(self, rows: Numbers, names: Text, cells: Cells) -> None:
        for depth in np.unique(rows[:, DEPTH_OF]).tolist():
            here = rows[rows[:, DEPTH_OF] == depth]
            usage = self._usage_of(USAGE, depth)
            if depth not in self._directories:
                self._directories[depth] = WaitingDirectories(file_of(self._folder, DIRECTORIES, depth))
            ids, counts = ids_of(here), here[:, CELL_COUNT]
            numbers = np.vstack([
                ids, ((depth - 1) << DEPTH_SHIFT) + here[:, PARENT], here[:, DEPTH_OF],
                here[:, TOTAL : TOTAL + MEASURES].T, here[:, CHILD], here[:, CHILDREN],
                usage.rows + np.cumsum(counts) - counts, counts,
            ])  # fmt: skip
            writer = self._directories[depth]
            self._write(writer.add(numbers, names, here[:, NAME_START].copy(), here[:, NAME_LENGTH].copy()))
            self._write(usage.add(ids, here, cells))

    def _write(self, groups: Iterator[RowGroup]) -> None:
        for group in groups:
            self._in_order.write(group)

    def close(self) -> Mapping[str, int]:
        """Finish all files; returns the number of rows of each kind. Raises OSError."""
        rows = {DIRECTORIES: sum(writer.rows for writer in self._directories.values())}
        for writer in self._writers():
            self._write(writer.rest())
        self._in_order.finish()
        for writer in self._writers():
            writer.file.close()
        for (kind, _), waiting in self._usage.items():
            rows[kind] = rows.get(kind, 0) + waiting.rows
        return rows


def ids_of(rows: Numbers) -> Numbers:
    """The ids of directories. rows: int64[n, >= PARENT], as outputs of `roll_up`."""
    return np.asarray((rows[:, DEPTH_OF] << DEPTH_SHIFT) + rows[:, NUMBER])
