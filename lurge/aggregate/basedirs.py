"""Directories at a given depth that hold files, by group: what `lurge basedirs` gathers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lurge.aggregate.records import RecordReader
from lurge.aggregate.table import Row, Table
from lurge.kernels.basedirs import add_directories
from lurge.kernels.lookup import ANY_GROUP, compile_lookup
from lurge.model.era import Era
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules

NEVER = 2**63 - 1
"""A dump's time after which nothing is."""


class DirectoryFinder:
    """Gathers (gid, directory) and its number of files over any number of dumps.

    depth: components below the root, unless the path is below one of `prefixes` (path -> depth), the longest winning.
    shallow: whether a file above that depth counts for the directory that it is in.
    """

    def __init__(self, depth: int, prefixes: Mapping[str, int], shallow: bool = False) -> None:
        lookup = compile_lookup(
            {(int(ANY_GROUP), prefix.rstrip("/").encode()): wanted for prefix, wanted in prefixes.items()}
        )
        self._depth = depth
        self._shallow = shallow
        self._prefixes = (*lookup.table, *lookup[1:])
        self._table = Table()

    def add(self, era: Era, lines: npt.NDArray[np.uint8]) -> None:
        """Read whole lines of a dump of `era`."""
        for records in RecordReader(Rules(era, NEVER, (), (), (), (), PathAliases())).parse(lines, 1):
            self._table.make_room(records.path_bytes, records.count)
            add_directories(
                records.fields, records.count, records.paths, self._depth, self._shallow,
                *self._table.arrays, *self._prefixes,
            )  # fmt: skip

    def rows(self) -> list[Row]:
        """A row for each (a: gid, name: directory); counted: its files."""
        return self._table.rows()
