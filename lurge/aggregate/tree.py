"""Sums of each directory's own records, in sorted runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lurge.aggregate.directories import compile_suffixes
from lurge.aggregate.interface import Tally
from lurge.aggregate.records import Records
from lurge.aggregate.table import Table
from lurge.kernels.parse import LONGEST_LINE, SLACK
from lurge.kernels.table import ENTRIES, NAME_BYTES
from lurge.kernels.tree import CELL_COLUMNS, TABLE_SUMS, add_own, export_run
from lurge.model.dump import SECONDS_A_DAY
from lurge.model.rules import FileType, Rules
from lurge.model.tree import AGE_DAYS, Run

CELLS_A_RUN = 1 << 14
NAMES_A_RUN = 1 << 24
"""A run is handed over when it has so many cells or bytes of paths."""


class TreeTally(Tally[list[Run]]):
    """The cells of one process: records, bytes and times by own directory, gid, uid and filetype, and in bins."""

    def __init__(self, rules: Rules, filetypes: Sequence[FileType]) -> None:
        limits = [rules.dump_time - days * SECONDS_A_DAY for days in AGE_DAYS]
        self._limits = np.array(limits, np.int64)
        self._types = len(filetypes)
        self._suffixes = compile_suffixes(filetypes)
        self._scratch = [np.zeros(LONGEST_LINE + SLACK, np.uint8) for _ in range(3)]
        self._runs: list[Run] = []
        self._directories, self._owners, self._cells = Table(0), Table(0), Table(TABLE_SUMS, entries=2 * CELLS_A_RUN)

    def add(self, records: Records) -> None:
        # A record's own directory is its path or a part of it.
        self._directories.make_room(records.path_bytes, records.count)
        self._owners.make_room(0, records.count)
        self._cells.make_room(0, records.count)
        add_own(
            records.fields, records.count, records.paths, self._limits, self._types, *self._scratch,
            *self._directories.arrays, *self._owners.arrays, *self._cells.arrays, *self._suffixes,
        )  # fmt: skip

    def take_portion(self) -> Run | None:
        names = self._directories.arrays.used[NAME_BYTES]
        if self._cells.arrays.used[ENTRIES] < CELLS_A_RUN and names < NAMES_A_RUN:
            return None
        return self.export_all()

    def export_all(self) -> Run:
        """Everything so far, which the tally forgets. Sums of bytes are capped at LARGEST."""
        directories, cells = self._directories.arrays, self._cells.arrays
        count = int(directories.used[ENTRIES])
        run = Run(
            text=np.empty(int(directories.used[NAME_BYTES]), np.uint8),
            directories=np.empty((count, 3), np.int64),
            cells=np.empty((int(cells.used[ENTRIES]), CELL_COLUMNS), np.int64),
        )
        order, scratch = np.empty(count, np.int64), np.empty(count, np.int64)
        arrays = *directories, *self._owners.arrays, *cells
        export_run(run.text, run.directories, run.cells, order, scratch, *arrays)
        for table in (self._directories, self._owners, self._cells):
            table.clear()
        return run

    def export(self) -> list[Run]:
        if self._directories.arrays.used[ENTRIES]:
            self._runs.append(self.export_all())
        return self._runs

    def merge(self, export: list[Run]) -> None:
        self._runs += export
