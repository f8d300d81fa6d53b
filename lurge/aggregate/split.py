"""The lines of each group, in portions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Tally
from lurge.aggregate.records import Records
from lurge.aggregate.room import enlarged
from lurge.kernels.split import END, GROUP, IS_DIRECTORY, START, gather, write_records
from lurge.model.rules import Rules
from lurge.model.split import GroupLines, Portion

LINE_COLUMNS = 4


class SplitTally(Tally[list[GroupLines]]):
    """Gathers the lines of records by group; everything goes to the sink."""

    def __init__(self, rules: Rules) -> None:
        self._columns = rules.era.columns
        self._lines = np.zeros((0, LINE_COLUMNS), np.int64)
        self._text = np.zeros(0, np.uint8)
        self._count = self._used = 0
        self._has_lines = False

    def add(self, records: Records) -> None:
        self._has_lines = True
        self._make_room(records)
        self._used = write_records(
            self._columns, records.fields, records.count, records.paths, records.text, self._lines, self._count,
            self._text, self._used,
        )  # fmt: skip
        self._count += records.count

    def _make_room(self, records: Records) -> None:
        lines = self._count + records.count
        if lines > len(self._lines):
            more = np.zeros((2 * lines, LINE_COLUMNS), np.int64)
            more[: self._count] = self._lines[: self._count]
            self._lines = more
        # Base64 makes four bytes of three, and at most three more at its end.
        bytes_needed = self._used + records.path_bytes * 4 // 3 + 8 * records.count + records.text_bytes
        if bytes_needed > len(self._text):
            self._text = enlarged(self._text, self._used, 2 * bytes_needed)

    def take_portion(self) -> Portion | None:
        if not self._has_lines:
            return None
        portion = group_lines(self._lines[: self._count], self._text)
        self._count = self._used = 0
        self._has_lines = False
        return portion

    def export(self) -> list[GroupLines]:
        return []

    def merge(self, export: list[GroupLines]) -> None:
        """Nothing is kept outside of portions."""


def group_lines(lines: npt.NDArray[np.int64], text: npt.NDArray[np.uint8]) -> Portion:
    """A portion of some lines. lines: int64[n, LINE_COLUMNS], of kernels.split; text: uint8, in which they lie."""
    gids, group = np.unique(lines[:, GROUP], return_inverse=True)
    sizes = np.bincount(group, lines[:, END] - lines[:, START], len(gids)).astype(np.int64)
    gathered = np.empty(int(sizes.sum()), np.uint8)
    gather(lines, np.argsort(group, kind="stable"), text, gathered)
    return Portion(
        gids=gids,
        lines=np.bincount(group, minlength=len(gids)).astype(np.int64),
        directories=np.bincount(group, lines[:, IS_DIRECTORY], len(gids)).astype(np.int64),
        ends=np.cumsum(sizes),
        text=gathered,
    )
