"""Numbers that do not add up are noticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lurge.aggregate.interface import Check
from lurge.aggregate.reconcile import count_checks, reconcile
from lurge.aggregate.usage import GROUPS, UNATTRIBUTED_USAGE, USERS
from lurge.errors import ReconciliationError
from lurge.model.report import Counts, GroupUsage, Unattributed, UserUsage

COUNTS = Counts(6, 5, 2, 2, 1, 30, 7, {"path": 1})
RESULTS = {
    GROUPS: [GroupUsage(1, "/a", 10, 0, 1), GroupUsage(2, "/a", 20, 0, 1)],
    USERS: [UserUsage(1, 1, 37, 0, 0)],
    UNATTRIBUTED_USAGE: [Unattributed(1, 7, 2)],
}


def checks(counts: Counts = COUNTS) -> Iterator[Check]:
    """All checks of a pass."""
    yield from count_checks(counts)
    for aggregate, rows in RESULTS.items():
        yield from aggregate.checks(rows, counts)


def test_numbers_that_add_up_pass() -> None:
    reconcile("volume", checks())


@pytest.mark.parametrize("counter", ["lines", "records", "attributed", "unattributed", "vanished",
                                     "attributed_bytes", "unattributed_bytes"])  # fmt: skip
def test_every_counter_is_compared(counter: str) -> None:
    wrong = replace(COUNTS, **{counter: getattr(COUNTS, counter) + 1})
    with pytest.raises(ReconciliationError, match="volume does not add up"):
        reconcile("volume", checks(wrong))


@pytest.mark.parametrize("aggregate", RESULTS, ids=lambda aggregate: aggregate.name)
def test_a_missing_row_is_noticed(aggregate: object) -> None:
    with pytest.raises(ReconciliationError):
        reconcile("volume", aggregate.checks(RESULTS[aggregate][1:], COUNTS))


def test_rejected_lines_are_compared() -> None:
    with pytest.raises(ReconciliationError, match="lines"):
        reconcile("volume", checks(replace(COUNTS, rejected_by_reason={})))
