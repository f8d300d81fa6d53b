"""The largest and the oldest files, and the sum of small files."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Tally
from lurge.aggregate.records import Records
from lurge.kernels import record
from lurge.kernels.parse import FILE, LONGEST_LINE
from lurge.model.files import SMALL_BYTES, File, FileExtremes
from lurge.model.rules import Rules

COMPARED = 256
"""Bytes of paths that are compared at once; only what is equal that far is looked at one by one."""

Numbers = npt.NDArray[np.int64]
Rank = tuple[int, int, bytes]
"""The place of a file: two numbers, of which less is better, and its path."""

Ranked = list[tuple[Rank, bytes]]
"""Ranks in their order, each with the identity of its file."""


class Ranking:
    """The best files by rank. Of a file with several names, the best name counts."""

    def __init__(self, count: int) -> None:
        """count: the number of files to keep."""
        self._count = count
        self.ranked: Ranked = []
        self._rank_of: dict[bytes, Rank] = {}

    def add(self, records: Records, rows: Numbers, first: Numbers, second: Numbers) -> None:
        """Add the files at some rows of records. first, second: int64[rows], the numbers of their ranks."""
        chosen = np.arange(len(rows))
        if self._is_full:
            last_first, last_second, last_path = self.ranked[-1][0]
            better = (first < last_first) | ((first == last_first) & (second < last_second))
            equal = np.flatnonzero((first == last_first) & (second == last_second))
            better[equal] = may_be_before(records, rows[equal], last_path[:COMPARED])
            chosen = np.flatnonzero(better)
        # The best come first, so that few are kept only to be replaced.
        for i in chosen[np.lexsort((second[chosen], first[chosen]))].tolist():
            numbers = int(first[i]), int(second[i])
            if self._is_full and numbers > self.ranked[-1][0][:2]:
                break
            path = records.path(rows[i])
            if not self._is_full or (*numbers, path) < self.ranked[-1][0]:
                self.offer((*numbers, path), identity_of(records, int(rows[i]), path))

    @property
    def _is_full(self) -> bool:
        return len(self.ranked) == self._count

    def offer(self, rank: Rank, identity: bytes) -> None:
        """Add one file, by one of its names."""
        known = self._rank_of.get(identity)
        if known is not None:
            if known <= rank:
                return
            del self.ranked[bisect_left(self.ranked, (known, identity))]
        self._rank_of[identity] = rank
        insort(self.ranked, (rank, identity))
        if len(self.ranked) > self._count:
            del self._rank_of[self.ranked.pop()[1]]


def may_be_before(records: Records, rows: Numbers, path: bytes) -> npt.NDArray[np.bool_]:
    """bool[rows]: which of some records have a path before `path`, or one that begins with it."""
    columns = np.arange(len(path))
    places = records.fields[record.START, rows][:, None] + columns
    text = records.paths[np.minimum(places, len(records.paths) - 1)]
    # No path contains a zero byte, and numpy compares texts up to their last other byte.
    text[columns >= records.fields[record.LENGTH, rows][:, None]] = 0
    before: npt.NDArray[np.bool_] = text.view(f"S{len(path)}")[:, 0] <= path
    return before


def identity_of(records: Records, row: int, path: bytes) -> bytes:
    """The identity of a file: device and inode if it has several names, else its path, which begins with a slash."""
    if records.fields[record.NLINK, row] == 1:
        return path
    start = records.fields[record.TEXT_START, row]
    line = records.text[start : start + LONGEST_LINE].tobytes().partition(b"\n")[0]
    _, inode, _, device, _ = line.rsplit(b"\t", 4)
    return device + b"\t" + inode


@dataclass
class ExtremesSoFar:
    """The export of a tally."""

    largest: Ranked
    oldest: Ranked
    small_files: int
    small_bytes: int


class ExtremesTally(Tally[ExtremesSoFar]):
    """The extremes of the records of one process."""

    def __init__(self, count: int) -> None:
        self._largest, self._oldest = Ranking(count), Ranking(count)
        self._small_files = self._small_bytes = 0

    def add(self, records: Records) -> None:
        rows = np.flatnonzero(records.column(record.KIND) == FILE)
        whole, mtime = records.column(record.WHOLE)[rows], records.column(record.MTIME)[rows]
        small = rows[whole <= SMALL_BYTES]
        self._small_files += len(small)
        self._small_bytes += int(records.column(record.BYTES)[small].sum())
        self._largest.add(records, rows, -whole, mtime)
        self._oldest.add(records, rows, mtime, -whole)

    def export(self) -> ExtremesSoFar:
        return ExtremesSoFar(self._largest.ranked, self._oldest.ranked, self._small_files, self._small_bytes)

    def merge(self, export: ExtremesSoFar) -> None:
        for ranking, ranked in ((self._largest, export.largest), (self._oldest, export.oldest)):
            for rank, identity in ranked:
                ranking.offer(rank, identity)
        self._small_files += export.small_files
        self._small_bytes += export.small_bytes


@dataclass(frozen=True)
class Extremes(Aggregate[ExtremesSoFar, FileExtremes]):
    """The largest and the oldest files of a dump with devices (12 columns). count: of each kind."""

    count: int
    name: str = "extremes"

    def tally(self, rules: Rules) -> ExtremesTally:
        return ExtremesTally(self.count)

    def result(self, export: ExtremesSoFar, rules: Rules) -> FileExtremes:
        return FileExtremes(
            [File(path, -size, mtime) for (size, mtime, path), _ in export.largest],
            [File(path, -size, mtime) for (mtime, size, path), _ in export.oldest],
            export.small_files,
            export.small_bytes,
        )
