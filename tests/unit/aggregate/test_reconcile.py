"""What does not add up is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lurge.aggregate.reconcile import reconcile
from lurge.errors import ReconciliationError
from lurge.model.report import Counts, GroupUsage, Unattributed, UserUsage, VolumeReport

GOOD = VolumeReport(
    counts=Counts(6, 5, 2, 2, 1, 30, 7, {"path": 1}),
    groups=[GroupUsage(1, "/a", 10, 0, 1), GroupUsage(2, "/a", 20, 0, 1)],
    directories=[],
    users=[UserUsage(1, 1, 37, 0, 0)],
    unattributed=[Unattributed(1, 7, 2)],
    vault=[],
    samples=[],
)


def test_good() -> None:
    reconcile("volume", GOOD)


@pytest.mark.parametrize("counter", ["lines", "records", "attributed", "unattributed", "vanished",
                                     "attributed_bytes", "unattributed_bytes"])  # fmt: skip
def test_every_counter_matters(counter: str) -> None:
    wrong = replace(GOOD.counts, **{counter: getattr(GOOD.counts, counter) + 1})
    with pytest.raises(ReconciliationError, match="volume does not add up"):
        reconcile("volume", replace(GOOD, counts=wrong))


@pytest.mark.parametrize("table", ["groups", "users", "unattributed"])
def test_every_table_matters(table: str) -> None:
    with pytest.raises(ReconciliationError):
        reconcile("volume", replace(GOOD, **{table: getattr(GOOD, table)[1:]}))


def test_rejected_lines_matter() -> None:
    with pytest.raises(ReconciliationError, match="lines"):
        reconcile("volume", replace(GOOD, counts=replace(GOOD.counts, rejected_by_reason={})))
