"""Rows of stored reports: with names, sizes in bytes, and times in days or as dates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

LARGEST = 2**63 - 1
"""The largest whole number that a database column holds."""


class GroupRow(NamedTuple):
    base: str
    pi: str | None
    group: str | None
    used: int | None
    quota: int | None
    last_modified: int | None


class DirectoryRow(NamedTuple):
    base: str
    path: str
    size: int
    files: int
    group: str | None


class DirectoryPage(NamedTuple):
    """Some directories as columns, because a volume may have millions. filetype_sizes: a column for each filetype.

    Values that the older tool did not store are None.
    """

    bases: list[str]
    paths: list[str]
    sizes: list[int]
    filetype_sizes: dict[str, list[int]]
    files: list[int | None]
    last_modified: list[int | None]
    pis: list[str | None]
    groups: list[str | None]


class QuotaRow(NamedTuple):
    """A group's use and quota of a volume, both in bytes, and its forecast."""

    volume: str
    pi: str | None
    group: str
    used: int
    quota: int | None
    warning_id: int
    warning: str
    in_3_days: int | None
    in_7_days: int | None
    quota_reached: date | None
    backfilled: bool


class UserRow(NamedTuple):
    user: str | None
    group: str | None
    volume: str
    size: int | None
    last_modified: date | None


class VaultRow(NamedTuple):
    path: str
    state: str
    size: int
    owner: str | None
    group: str | None
    last_modified: date
    volume: str


class SummaryRow(NamedTuple):
    volume: str
    record_date: date
    records: int
    attributed: int
    unattributed: int
    vanished: int
    rejected: int
    attributed_bytes: int
    unattributed_bytes: int


@dataclass(frozen=True)
class NewestReports:
    """The stored reports of every volume at its newest date. Each report can be iterated once.

    dates: the newest record date by volume name.
    """

    dates: dict[str, date]
    groups: Iterable[GroupRow]
    quotas: Iterable[QuotaRow]
    directories: Iterable[DirectoryPage]
    users: Iterable[UserRow]
    vaults: Iterable[VaultRow]
