"""The sums of the main job: by group and base directory, by user and group, and outside all base directories."""

from __future__ import annotations

from collections.abc import Iterable

from lurge.aggregate.interface import Check
from lurge.aggregate.sums import ATTRIBUTED, UNATTRIBUTED, Sums
from lurge.aggregate.table import Row
from lurge.kernels import record
from lurge.model.report import Counts, GroupUsage, Unattributed, UserUsage


def group_row(row: Row, bases: list[str]) -> GroupUsage:
    return GroupUsage(row.a, bases[row.b], row.sums[0], row.newest, row.counted)


def unattributed_row(row: Row, bases: list[str]) -> Unattributed:
    return Unattributed(row.a, row.sums[0], row.counted)


def user_row(row: Row, bases: list[str]) -> UserUsage:
    return UserUsage(row.a, row.b, row.sums[0], row.newest, row.counted)


def check_groups(rows: list[GroupUsage], counts: Counts) -> Iterable[Check]:
    yield Check("attributed records = records of the groups", counts.attributed, sum(row.records for row in rows))
    yield Check("attributed bytes = bytes of the groups", counts.attributed_bytes, sum(row.size for row in rows))


def check_unattributed(rows: list[Unattributed], counts: Counts) -> Iterable[Check]:
    yield Check("unattributed records = records outside", counts.unattributed, sum(row.records for row in rows))
    yield Check("unattributed bytes = bytes outside", counts.unattributed_bytes, sum(row.size for row in rows))


def check_users(rows: list[UserUsage], counts: Counts) -> Iterable[Check]:
    both = counts.attributed_bytes + counts.unattributed_bytes
    yield Check("all bytes = bytes of the users", both, sum(row.size for row in rows))


GROUPS = Sums("groups", record.GROUP, record.BASE, group_row, check_groups, side=ATTRIBUTED)
UNATTRIBUTED_USAGE = Sums(
    "unattributed", record.GROUP, record.BASE, unattributed_row, check_unattributed, side=UNATTRIBUTED
)
USERS = Sums("users", record.UID, record.GROUP, user_row, check_users, counted=b"f")
