"""Checking that one volume's numbers add up, from counters that were kept apart."""

from __future__ import annotations

from collections.abc import Iterable

from lurge.aggregate.interface import Check
from lurge.errors import ReconciliationError
from lurge.model.report import Counts


def reconcile(volume: str, checks: Iterable[Check]) -> None:
    """Raise ReconciliationError if two numbers that must be equal differ."""
    for statement, left, right in checks:
        if left != right:
            raise ReconciliationError(f"{volume} does not add up: {statement}: {left} is not {right}")


def count_checks(counts: Counts) -> Iterable[Check]:
    """Check the counters: lines are counted by whoever cut the dump, records by who parsed them, their kinds apart."""
    yield Check("lines = records + rejected", counts.lines, counts.records + counts.rejected)
    kinds = counts.attributed + counts.unattributed + counts.vanished
    yield Check("records = attributed + unattributed + vanished", counts.records, kinds)
