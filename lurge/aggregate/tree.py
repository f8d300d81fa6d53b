"""Sums of each directory's own records, in sorted runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lurge.aggregate.interface import Tally
from lurge.aggregate.records import Records
from lurge.aggregate.room import enlarged
from lurge.aggregate.suffixes import compile_suffixes
from lurge.kernels.cells import CELL_COLUMNS, LONGEST_CELL, LONGEST_OF_ONE
from lurge.kernels.parse import LONGEST_LINE, SLACK
from lurge.kernels.tree import (
    AT,
    FRAGMENTS,
    HEADER,
    OPEN_CELLS,
    PATH_LENGTH,
    USED,
    add_own,
    close_last,
    export_run,
)
from lurge.kernels.vault import find_keys
from lurge.kernels.wide import VECTOR
from lurge.model.rules import FileType, Rules
from lurge.model.tree import ENDS, Run

TREE_INDEX = "tree"
"""The name of the aggregate."""

RUN_BYTES = 1 << 22
"""A run is handed over when it has so many bytes."""

FIRST_FRAGMENTS = 1 << 12


class TreeTally(Tally[list[Run]]):
    """The cells of one process: records, bytes and times by own directory, gid, uid and filetype, and in bins."""

    def __init__(self, rules: Rules, filetypes: Sequence[FileType]) -> None:
        self._now = rules.dump_time
        self._types = len(filetypes)
        self._suffixes = compile_suffixes(filetypes)
        self._recent = np.zeros(len(filetypes) + len(ENDS), np.int32)
        self._scratch = [np.zeros(LONGEST_LINE + SLACK, np.uint8) for _ in range(2)]
        self._is_key = np.empty(0, np.uint8)
        self._alone = np.zeros(CELL_COLUMNS, np.int64)
        self._runs: list[Run] = []
        self._state = np.zeros(4, np.int64)
        self._state[PATH_LENGTH] = -1
        self._open = (
            np.zeros(LONGEST_LINE + SLACK, np.uint8),
            np.full(4 * OPEN_CELLS, -1, np.int32),
            np.zeros(OPEN_CELLS, np.int32),
            np.zeros((OPEN_CELLS, CELL_COLUMNS), np.int64),
        )
        self._buffer = np.empty(RUN_BYTES + VECTOR, np.uint8)
        self._index = np.empty((FIRST_FRAGMENTS, 3), np.int64)

    def add(self, records: Records) -> None:
        if len(self._is_key) < records.count:
            self._is_key = np.empty(records.fields.shape[1], np.uint8)
        find_keys(records.fields, records.count, records.paths, *self._scratch, self._is_key)
        self.add_to_cells(records)

    def add_to_cells(self, records: Records) -> None:
        """Add records whose vault keys are found."""
        self._make_room(records.path_bytes, records.count)
        add_own(
            records.fields, records.count, records.paths, self._is_key, self._now, self._types, self._recent,
            self._alone, self._state, *self._open, self._buffer, self._index, *self._suffixes,
        )  # fmt: skip

    def _make_room(self, path_bytes: int, count: int) -> None:
        """Make room for the open cells, and for records that all may be fragments of their own."""
        at, fragments, used = (int(self._state[number]) for number in (AT, FRAGMENTS, USED))
        is_open = HEADER + max(int(self._state[PATH_LENGTH]), 0) + LONGEST_CELL * used
        room = at + is_open + path_bytes + count * (HEADER + LONGEST_OF_ONE) + VECTOR
        if room > len(self._buffer):
            self._buffer = enlarged(self._buffer, at, room + room // 8)
        if fragments + count + 2 > len(self._index):
            self._index = enlarged(self._index, fragments, 2 * (fragments + count + 2))

    def take_portion(self) -> Run | None:
        return self._take_run() if self._state[AT] >= RUN_BYTES else None

    def _take_run(self) -> Run:
        """All fragments, which the tally forgets."""
        count = int(self._state[FRAGMENTS])
        text = np.empty(int(self._state[AT]) + VECTOR, np.uint8)
        order, other = np.empty(count, np.int64), np.empty(count, np.int64)
        export_run(text, self._buffer, self._index, order, other)
        self._state[AT] = self._state[FRAGMENTS] = 0
        first, last = (self._path(int(order[place])) for place in (0, -1))
        return Run(text[:-VECTOR], first, last)

    def _path(self, fragment: int) -> bytes:
        start, _, length = self._index[fragment].tolist()
        return self._buffer[start + HEADER : start + HEADER + length].tobytes()

    def export(self) -> list[Run]:
        self._make_room(0, 0)
        close_last(self._state, *self._open, self._buffer, self._index)
        if self._state[FRAGMENTS]:
            self._runs.append(self._take_run())
        # The sink needs the memory.
        self._buffer = np.empty(VECTOR, np.uint8)
        return self._runs

    def merge(self, export: list[Run]) -> None:
        self._runs += export
