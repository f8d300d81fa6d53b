"""The directory report of one volume, as columns, because a volume may have millions of directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from operator import add
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.model.dump import MOST_DAYS, SECONDS_A_DAY, days_before, last_second
from lurge.model.sizes import EXACT_FLOAT, Whole, whole

ROWS_AT_ONCE = 10_000


class DirectoryUsage(NamedTuple):
    """The files of a group in one subdirectory of a base directory. filetype_sizes: in the configured order."""

    gid: int
    base: str
    subdirectory: str
    size: int
    newest: int
    files: int
    filetype_sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Directories:
    """Rows sorted by gid, base directory and subdirectory. Two objects are equal if they have the same rows.

    gid, newest, files, start, length: int64[n]. base: int64[n], indexes of `bases`. text: UTF-8; the subdirectory of a
    row is text[start:start + length]. size: Whole[n]. filetype_sizes: Whole[n, filetypes].
    """

    bases: Sequence[str]
    gid: npt.NDArray[np.int64]
    base: npt.NDArray[np.int64]
    text: bytes
    start: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    size: Whole
    newest: npt.NDArray[np.int64]
    files: npt.NDArray[np.int64]
    filetype_sizes: Whole

    @classmethod
    def of(cls, rows: Iterable[DirectoryUsage]) -> Directories:
        """Build from rows in any order. Rows of the same directory are merged."""
        merged = sorted(merge(rows))
        bases = sorted({row.base for row in merged})
        numbers = {base: number for number, base in enumerate(bases)}
        names = [row.subdirectory.encode() for row in merged]
        length = np.array([len(name) for name in names], np.int64)
        types = len(merged[0].filetype_sizes) if merged else 0
        sizes = [row.filetype_sizes for row in merged]
        return cls(
            bases=bases,
            gid=np.array([row.gid for row in merged], np.int64),
            base=np.array([numbers[row.base] for row in merged], np.int64),
            text=b"".join(names),
            start=np.cumsum(length) - length,
            length=length,
            size=whole([row.size for row in merged]),
            newest=np.array([row.newest for row in merged], np.int64),
            files=np.array([row.files for row in merged], np.int64),
            filetype_sizes=whole([size for row in sizes for size in row]).reshape(len(merged), types),
        )

    def __len__(self) -> int:
        return len(self.gid)

    def __iter__(self) -> Iterator[DirectoryUsage]:
        numbers = (self.gid, self.size, self.newest, self.files, self.filetype_sizes)
        for part in self.parts():
            gids, sizes, newest, files, filetype_sizes = (column[part].tolist() for column in numbers)
            bases = [self.bases[number] for number in self.base[part].tolist()]
            by_type = map(tuple, filetype_sizes)
            rows = zip(gids, bases, self.subdirectories(part), sizes, newest, files, by_type, strict=True)
            yield from map(DirectoryUsage._make, rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directories) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # arrays cannot be hashed

    def parts(self) -> Iterator[slice]:
        """Slices of at most ROWS_AT_ONCE rows, few enough to hold as Python objects."""
        return (slice(first, min(first + ROWS_AT_ONCE, len(self))) for first in range(0, len(self), ROWS_AT_ONCE))

    def subdirectories(self, part: slice) -> list[str]:
        """The subdirectories of a slice of rows."""
        starts, lengths = self.start[part].tolist(), self.length[part].tolist()
        return [self.text[start : start + length].decode() for start, length in zip(starts, lengths, strict=True)]


def to_days(day: date, times: npt.NDArray[np.int64]) -> list[int]:
    """The result of `days_before` for each time (int64[n], Unix seconds)."""
    last = last_second(day)
    if times.min(initial=0) < -EXACT_FLOAT:
        return [days_before(day, time) for time in times.tolist()]
    days: list[int] = np.clip((last - times) // SECONDS_A_DAY, -MOST_DAYS, MOST_DAYS).tolist()
    return days


def merge(rows: Iterable[DirectoryUsage]) -> Iterable[DirectoryUsage]:
    """Merge rows with equal gid, base directory and subdirectory.

    Different paths can become equal when their invalid bytes are shown as text.
    """
    merged: dict[tuple[int, str, str], DirectoryUsage] = {}
    for row in rows:
        other = merged.get(row[:3])
        if other:
            row = DirectoryUsage(
                *row[:3],
                row.size + other.size,
                max(row.newest, other.newest),
                row.files + other.files,
                tuple(map(add, row.filetype_sizes, other.filetype_sizes)),
            )
        merged[row[:3]] = row
    return merged.values()
