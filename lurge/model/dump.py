"""Volumes and their dumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

SECONDS_A_DAY = 86400
MOST_DAYS = 2**31 - 1
"""Viewers read days as 32-bit integers."""


@dataclass(frozen=True)
class Volume:
    """A file system, any scanned tree, or a bucket: its name in the database and its mount point.

    inventory: the bucket whose inventories are read from the lake, instead of dumps.
    """

    name: str
    mount: str
    inventory: str | None = None


@dataclass(frozen=True)
class Dump:
    """The stat of every entry of one volume on one date.

    record_date: from the dump's name, never from the file's mtime. size: bytes, compressed. modified: mtime of the
    file in Unix nanoseconds, used only to distinguish dumps of the same date.
    """

    volume: Volume
    path: Path
    record_date: date
    size: int
    modified: int = 0

    @property
    def time(self) -> int:
        """The last second of the record date, UTC, in Unix seconds. A later mtime counts as this time."""
        return last_second(self.record_date)


def last_second(day: date) -> int:
    """The last second of `day`, UTC, in Unix seconds."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp()) + SECONDS_A_DAY - 1


def days_before(day: date, mtime: int) -> int:
    """Whole days from `mtime` (Unix seconds) to the last second of `day`, UTC, from -MOST_DAYS to MOST_DAYS."""
    return min(max((last_second(day) - mtime) // SECONDS_A_DAY, -MOST_DAYS), MOST_DAYS)


def date_of(mtime: int) -> date:
    """The UTC date of `mtime` (Unix seconds). Times outside the calendar become its first or last date."""
    day = mtime // SECONDS_A_DAY + date(1970, 1, 1).toordinal()
    return date.fromordinal(min(max(day, date.min.toordinal()), date.max.toordinal()))
