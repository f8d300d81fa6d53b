"""Works in the records of a dump: what `lurge works gather` counts by walking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lurge.aggregate.interface import Aggregate, Tally
from lurge.aggregate.records import RECORDS_AT_ONCE, Records
from lurge.kernels import columns, record, works
from lurge.kernels.parse import LONGEST_LINE
from lurge.kernels.works import ROW_COLUMNS, ROWS_A_RECORD, add_works, known_names
from lurge.model.rules import Rules
from lurge.model.works import Count, CountRules

Place = tuple[int, bytes]
"""(number of the tree, path)"""


@dataclass(frozen=True)
class SearchedTree:
    """A tree. depth: of its works, 1 for those directly in it."""

    path: bytes
    depth: int


@dataclass
class Works:
    """The works that were found. made: the ctimes, in Unix seconds, of the directories that date works.

    roots: the numbers of the trees that were there.
    """

    counts: dict[Place, Count] = field(default_factory=dict)
    made: dict[Place, int] = field(default_factory=dict)
    roots: set[int] = field(default_factory=set)


class WorksTally(Tally[Works]):
    """The works of one process."""

    def __init__(self, rules: Rules, trees: Sequence[SearchedTree], counting: CountRules) -> None:
        self._dump_time = rules.dump_time
        self._counts_all = not counting.counts_images
        self._known = known_names(counting, [(tree.path, tree.depth) for tree in trees])
        self._rows = np.zeros((len(trees) * ROWS_A_RECORD * RECORDS_AT_ONCE, ROW_COLUMNS), np.int64)
        self._works = Works()

    def add(self, records: Records) -> None:
        made = add_works(
            records.fields, records.count, records.paths, self._dump_time, self._counts_all, self._rows, *self._known
        )
        found = self._works
        for kind, tree, start, length, row, *sums in self._rows[:made].tolist():
            path = records.paths[start : start + length].tobytes()
            if kind == works.ROOT:
                found.roots.add(tree)
            elif kind == works.DATED:
                found.made[tree, path] = time_of(records, row, columns.CTIME)
            elif kind == works.LATE:
                found.counts[tree, path].see(time_of(records, row, columns.MTIME))
            else:
                images, files, high, low, newest, archived, has_archive = sums
                count = found.counts.setdefault((tree, path), Count())
                count.add(images, files, (high << 32) + low, archived, bool(has_archive))
                if newest != works.LEAST:
                    count.see(newest)

    def export(self) -> Works:
        return self._works

    def merge(self, export: Works) -> None:
        mine = self._works
        for place, other in export.counts.items():
            count = mine.counts.setdefault(place, Count())
            count.add(other.images, other.files, other.bytes, other.archived, other.has_archive)
            if other.newest is not None:
                count.see(other.newest)
        mine.made.update(export.made)
        mine.roots |= export.roots


def time_of(records: Records, row: int, column: int) -> int:
    """A time in the line of a record, as it is written there: records have no ctime, and no mtime after the dump's."""
    start = int(records.fields[record.TEXT_START, row])
    return int(records.text[start : start + int(LONGEST_LINE)].tobytes().split(b"\t", column + 1)[column])


@dataclass(frozen=True)
class WorksAggregate(Aggregate[Works, Works]):
    """The works of trees that lie on the volume."""

    trees: tuple[SearchedTree, ...]
    counting: CountRules
    name: str = "works"

    def tally(self, rules: Rules) -> WorksTally:
        return WorksTally(rules, self.trees, self.counting)

    def result(self, export: Works, rules: Rules) -> Works:
        return export
