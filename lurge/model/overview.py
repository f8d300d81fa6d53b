"""Totals of stored reports: by group, by person, by filetype and by age."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.model.directories import Directories, to_days
from lurge.model.sizes import Whole

MONTH, YEAR = 30, 365
AGES = (
    ("under 1 month", MONTH),
    ("1 to 6 months", 6 * MONTH),
    ("6 to 12 months", YEAR),
    ("1 to 2 years", 2 * YEAR),
    ("2 to 5 years", 5 * YEAR),
)
"""Age classes of directories with their exclusive upper bounds in days. A month has 30 days, a year 365."""

OLDEST, UNKNOWN = "5 years and more", "unknown"
AGE_NAMES = (*(name for name, _ in AGES), OLDEST, UNKNOWN)


class BaseUse(NamedTuple):
    """A group's use of a base directory at its volume's newest date. Quota and warning apply to the whole volume.

    used, quota, in_3_days, in_7_days: bytes. last_modified: days before the record date. Values that the older tool did
    not store are None.
    """

    volume: str
    record_date: date
    base: str
    group: str | None
    pi: str | None
    used: int
    last_modified: int | None
    quota: int | None
    warning_id: int | None
    warning: str | None
    in_3_days: int | None
    in_7_days: int | None
    quota_reached: date | None


class GroupUse(NamedTuple):
    """A group's use of the base directories of a volume at its newest date. directories: their number.

    used, quota: bytes. last_modified: days from the newest change in any of them to the record date.
    """

    volume: str
    group: str | None
    pi: str | None
    last_modified: int | None
    quota: int | None
    warning_id: int | None
    quota_reached: date | None
    directories: int
    used: int


class OutsideUse(NamedTuple):
    """A group's use of a volume outside its base directories, in bytes."""

    volume: str
    record_date: date
    group: str | None
    used: int


class PersonUse(NamedTuple):
    """A person's use of a volume as a member of a group, in bytes."""

    volume: str
    record_date: date
    user: str | None
    group: str | None
    size: int
    files: int | None
    last_modified: date | None


class KindUse(NamedTuple):
    """Bytes of files of one filetype or one age, and the number of directories that contain such files."""

    name: str
    size: int
    directories: int


class GroupKind(NamedTuple):
    """A group's directories in one column of a directory report, by number: of a filetype, or of an age in AGE_NAMES.

    size: bytes. directories: the number of those that contain such files.
    """

    gid: int
    filetype: int | None
    age: int | None
    size: int
    directories: int


def group_kinds(directories: Directories, day: date) -> Iterator[GroupKind]:
    """Yield the sums of a directory report by group and filetype, and by group and age at a date. Skip empty ones."""
    gids = directories.gid
    if not len(gids):
        return
    starts = np.flatnonzero(np.diff(gids, prepend=gids[0] - 1))
    of_group = gids[starts].tolist()
    for filetype in range(directories.filetype_sizes.shape[1]):
        sizes = directories.filetype_sizes[:, filetype]
        for gid, size, count in zip(of_group, *sums(sizes, sizes != 0, starts), strict=True):
            if count:
                yield GroupKind(gid, filetype, None, size, count)
    age_of = np.searchsorted([limit for _, limit in AGES], to_days(day, directories.newest), side="right")
    for age in np.unique(age_of).tolist():
        is_of_age = age_of == age
        for gid, size, count in zip(of_group, *sums(directories.size * is_of_age, is_of_age, starts), strict=True):
            if count:
                yield GroupKind(gid, None, age, size, count)


def sums(sizes: Whole, counted: npt.NDArray[np.bool_], starts: npt.NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """The sums of sizes in runs of rows, which begin at `starts`, and the numbers of rows that are counted.

    The sums may be larger than int64 holds, so halves are summed.
    """
    high, low = (np.add.reduceat(half, starts).tolist() for half in (sizes >> 32, sizes & 0xFFFFFFFF))
    totals = [(upper << 32) + lower for upper, lower in zip(high, low, strict=True)]
    return totals, np.add.reduceat(counted.astype(np.int64), starts).tolist()


@dataclass
class VolumeUse:
    """A group's use of a volume, in bytes: `used` in its base directories, `unattributed` outside them."""

    volume: str
    record_date: date
    used: int = 0
    unattributed: int = 0
    quota: int | None = None
    warning_id: int | None = None
    warning: str | None = None
    in_3_days: int | None = None
    in_7_days: int | None = None
    quota_reached: date | None = None
    bases: list[BaseUse] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """True if the group uses more than its quota."""
        return bool(self.quota) and self.used > (self.quota or 0)


@dataclass
class GroupTotal:
    """A group's use of several volumes."""

    group: str | None
    pi: str | None = None
    volumes: dict[str, VolumeUse] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return sum(use.used for use in self.volumes.values())

    @property
    def unattributed(self) -> int:
        return sum(use.unattributed for use in self.volumes.values())

    @property
    def last_modified(self) -> int | None:
        """Days since the newest change in any of its base directories; None if unknown."""
        days = (base.last_modified for use in self.volumes.values() for base in use.bases)
        return min((day for day in days if day is not None), default=None)

    def on(self, volume: str, record_date: date) -> VolumeUse:
        if volume not in self.volumes:
            self.volumes[volume] = VolumeUse(volume, record_date)
        return self.volumes[volume]


@dataclass
class PersonTotal:
    """A person's use of several volumes, in several groups."""

    user: str | None
    uses: list[PersonUse] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(use.size for use in self.uses)

    @property
    def files(self) -> int | None:
        """Number of files; None if the older tool stored a row, because it did not count files."""
        counts = [use.files for use in self.uses]
        return None if None in counts else sum(count for count in counts if count is not None)

    @property
    def last_modified(self) -> date | None:
        return max((use.last_modified for use in self.uses if use.last_modified), default=None)


def group_totals(bases: Iterable[BaseUse], outside: Iterable[OutsideUse]) -> list[GroupTotal]:
    """Totals by group, the largest first."""
    totals: dict[str | None, GroupTotal] = {}
    for base in bases:
        total = total_of(totals, base.group)
        total.pi = total.pi or base.pi
        use = total.on(base.volume, base.record_date)
        use.used += base.used
        use.quota = base.quota if use.quota is None else max(use.quota, base.quota or 0)
        use.warning_id, use.warning = base.warning_id, base.warning
        use.in_3_days, use.in_7_days, use.quota_reached = base.in_3_days, base.in_7_days, base.quota_reached
        use.bases.append(base)
    for row in outside:
        total_of(totals, row.group).on(row.volume, row.record_date).unattributed += row.used
    return sorted(totals.values(), key=lambda total: (-total.used, -total.unattributed, total.group or ""))


def total_of(totals: dict[str | None, GroupTotal], group: str | None) -> GroupTotal:
    """The total of a group; a new one if there is none."""
    if group not in totals:
        totals[group] = GroupTotal(group)
    return totals[group]


def person_totals(uses: Iterable[PersonUse]) -> list[PersonTotal]:
    """Totals by person, the largest first."""
    totals: dict[str | None, PersonTotal] = {}
    for use in uses:
        totals.setdefault(use.user, PersonTotal(use.user)).uses.append(use)
    return sorted(totals.values(), key=lambda total: (-total.size, total.user or ""))
