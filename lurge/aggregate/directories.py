"""Which directories at a given depth hold files of which groups: the kernel behind `lurge basedirs`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lurge.aggregate.kernel import (
    FILE,
    GID,
    GOOD,
    KIND,
    LONGEST_LINE,
    NLINK,
    PATH_LENGTH,
    line_scratch,
    read_fields,
    split_line,
)
from lurge.aggregate.lookup import ANY_GROUP, LookupArrays, compile_lookup, find_boundaries, find_longest
from lurge.aggregate.table import Table, TableArrays, find_or_add, room
from lurge.compiled import ZERO, compiled
from lurge.model.era import Era


@compiled
def length_at_depth(path, length, depth):
    """How much of path[:length] is the directory `depth` components below the root, -1 where it is not that deep."""
    slashes = 0
    for i in range(length):
        if path[i] == 47:
            slashes += 1
            if slashes > depth:
                return i
    return -1


@compiled
def add_directories(encoding, columns, default_depth, depths, table, buffer, start, tabs, path, fields):
    """Add the directories of the files in buffer[start:]; returns where the first line starts that found no room."""
    end = len(buffer)
    while start < end:
        if room(table, LONGEST_LINE) < 1:
            return start
        newline, found_columns = split_line(buffer, start, tabs)
        reason = read_fields(encoding, columns, found_columns, buffer, start, newline, tabs, path, fields)
        start = newline + 1
        if reason != GOOD or fields[KIND] != FILE or fields[NLINK] == 0:
            continue
        length = np.int64(fields[PATH_LENGTH])
        known = find_longest(depths, ANY_GROUP, path, find_boundaries(depths, path, length))
        depth = default_depth if known < 0 else depths.value[known]
        found = length_at_depth(path, length, depth)
        if found >= 0:
            find_or_add(table, np.int64(fields[GID]), ZERO, path, ZERO, found)
    return start


class DirectoryFinder:
    """Gathers (gid, directory) over any number of dumps.

    depth: components below the root, unless the path is below one of `prefixes` (path -> depth), the longest winning.
    """

    def __init__(self, depth: int, prefixes: Mapping[str, int]) -> None:
        self._depth = depth
        self._depths: LookupArrays = compile_lookup(
            {(int(ANY_GROUP), prefix.rstrip("/").encode()): found for prefix, found in prefixes.items()}
        )
        self._table = Table(sums=0)
        self._scratch = line_scratch()

    def add(self, era: Era, lines: npt.NDArray[np.uint8]) -> None:
        """Read whole lines of a dump of `era`."""
        start = 0
        while start < len(lines):
            self._table.make_room(int(LONGEST_LINE))
            table: TableArrays = self._table.arrays
            start = add_directories(
                int(era.encoding), era.columns, self._depth, self._depths, table, lines, start, *self._scratch
            )

    def found(self) -> list[tuple[int, bytes]]:
        """(gid, directory), sorted."""
        return sorted((row.a, row.name) for row in self._table.rows())
