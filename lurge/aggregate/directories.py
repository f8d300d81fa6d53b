"""Directories at a given depth that hold files, by group: the kernel behind `lurge basedirs`."""

from __future__ import annotations

import logging
import time
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
from lurge.aggregate.table import COUNT, Row, Table, TableArrays, find_or_add, room
from lurge.aggregate.warm import is_compiled
from lurge.compiled import ZERO, compiled
from lurge.model.era import QUOTED_12, Era

log = logging.getLogger(__name__)


@compiled
def length_at_depth(path, length, depth, shallow):
    """Length of the directory of path[:length] that is `depth` components below the root.

    If the path is not that deep: of the directory that it is in, or, unless `shallow`, -1.
    """
    slashes = 0
    last = -1
    for i in range(length):
        if path[i] == 47:
            slashes += 1
            if slashes > depth:
                return i
            last = i
    return last if shallow else -1


@compiled
def add_directories(encoding, columns, default_depth, depths, shallow, table, buffer, start, tabs, path, fields):
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
        found = length_at_depth(path, length, depth, shallow)
        if found >= 0:
            entry = find_or_add(table, np.int64(fields[GID]), ZERO, path, ZERO, found)
            table.rows[entry, COUNT] += np.uint64(1)
    return start


class DirectoryFinder:
    """Gathers (gid, directory) and its number of files over any number of dumps.

    depth: components below the root, unless the path is below one of `prefixes` (path -> depth), the longest winning.
    shallow: whether a file above that depth counts for the directory that it is in.
    """

    def __init__(self, depth: int, prefixes: Mapping[str, int], shallow: bool = False) -> None:
        self._depth = depth
        self._shallow = shallow
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
            form = (int(era.encoding), era.columns)
            depths = (self._depth, self._depths, self._shallow)
            start = add_directories(*form, *depths, table, lines, start, *self._scratch)

    def rows(self) -> list[Row]:
        """A row for each (a: gid, name: directory); counted: its files."""
        return self._table.rows()


def compile_finder() -> None:
    """Compile the kernel, and say so, unless it was compiled here before."""
    if is_compiled(add_directories):
        return
    started = time.monotonic()
    log.info("compiling, once for this installation")
    DirectoryFinder(0, {}).add(QUOTED_12, np.frombuffer(bytearray(b"\n"), np.uint8))
    log.info("compiled in %.1f s", time.monotonic() - started)
