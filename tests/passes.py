"""A pass with the aggregates of the main job, as tests make it."""

from __future__ import annotations

from lurge.aggregate.standard import STANDARD, volume_report
from lurge.aggregate.volume import Pass, make_results
from lurge.model.report import VolumeReport
from lurge.model.rules import Rules


class StandardPass(Pass):
    """A pass over lines, or over some of them."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules, STANDARD)
        self._rules = rules

    def report(self, lines: int) -> VolumeReport:
        """The report, reconciled. lines: how many there are."""
        return volume_report(make_results("volume", self.export(), self._rules, STANDARD, lines))
