"""Aggregates that sum records by two of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Check, Tally
from lurge.aggregate.records import Records
from lurge.aggregate.table import Export, Row, Table
from lurge.kernels.sums import add_records
from lurge.model.report import Counts
from lurge.model.rules import Rules

R = TypeVar("R")

ALL_KINDS = b"fdlsbcFX"
ATTRIBUTED, UNATTRIBUTED, BOTH = 1, -1, 0


class SumTally(Tally[Export]):
    """Bytes, newest mtime and count of records by two columns."""

    def __init__(self, a: int, b: int, side: int, kinds: bytes, counted: bytes) -> None:
        self._columns = a, b, side, mask(kinds), mask(counted)
        self._table = Table()

    def add(self, records: Records) -> None:
        self._table.make_room(0, records.count)
        add_records(records.fields, records.count, *self._columns, *self._table.arrays)

    def export(self) -> Export:
        return self._table.export()

    def merge(self, export: Export) -> None:
        self._table.merge(export)


def mask(kinds: bytes) -> npt.NDArray[np.bool_]:
    """bool[256]: which letters are among `kinds`."""
    letters = np.zeros(256, np.bool_)
    letters[np.frombuffer(kinds, np.uint8)] = True
    return letters


@dataclass(frozen=True)
class Sums(Aggregate[Export, list[R]], Generic[R]):
    """Attributed bytes, newest mtime and count of records by two columns of `kernels.record`.

    side: which records, by whether they are in a base directory. kinds: of which types; counted: which of these are
    counted. row: makes a row of the result from an entry and the base directories as shown. check: what the rows must
    add up to.
    """

    name: str
    a: int
    b: int
    row: Callable[[Row, list[str]], R]
    check: Callable[[list[R], Counts], Iterable[Check]] = lambda rows, counts: ()
    side: int = BOTH
    kinds: bytes = ALL_KINDS
    counted: bytes = ALL_KINDS

    def tally(self, rules: Rules) -> SumTally:
        return SumTally(self.a, self.b, self.side, self.kinds, self.counted)

    def result(self, export: Export, rules: Rules) -> list[R]:
        bases = rules.bases()[0]
        return sorted(self.row(entry, bases) for entry in export.entries())  # type: ignore[type-var]  # rows are tuples

    def checks(self, result: list[R], counts: Counts) -> Iterable[Check]:
        return self.check(result, counts)
