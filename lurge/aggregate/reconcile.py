"""Checking that one volume's numbers add up, from counters that were kept apart."""

from __future__ import annotations

from lurge.errors import ReconciliationError
from lurge.model.report import VolumeReport


def reconcile(volume: str, report: VolumeReport) -> None:
    """Raise ReconciliationError where a counter and what it should equal differ.

    Lines are counted by whoever cut the dump, records and bytes line by line by who read them; the tables are sums of
    their own.
    """
    counts = report.counts
    both = counts.attributed_bytes + counts.unattributed_bytes
    checks = {
        "lines = records + rejected": (counts.lines, counts.records + counts.rejected),
        "records = attributed + unattributed + vanished": (
            counts.records,
            counts.attributed + counts.unattributed + counts.vanished,
        ),
        "attributed records = records of the groups": (counts.attributed, sum(row.records for row in report.groups)),
        "attributed bytes = bytes of the groups": (counts.attributed_bytes, sum(row.size for row in report.groups)),
        "unattributed records = records outside": (
            counts.unattributed,
            sum(row.records for row in report.unattributed),
        ),
        "unattributed bytes = bytes outside": (
            counts.unattributed_bytes,
            sum(row.size for row in report.unattributed),
        ),
        "all bytes = bytes of the users": (both, sum(row.size for row in report.users)),
    }
    for what, (left, right) in checks.items():
        if left != right:
            raise ReconciliationError(f"{volume} does not add up: {what}: {left} is not {right}")
