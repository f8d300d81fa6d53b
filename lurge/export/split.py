"""The aggregate that splits the records of a volume into files by group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lurge.aggregate.interface import Aggregate, Check
from lurge.aggregate.split import SplitTally
from lurge.export.parts import VolumeParts
from lurge.model.report import Counts
from lurge.model.rules import Rules
from lurge.model.split import GroupLines


@dataclass(frozen=True)
class SplitByGroup(Aggregate[list[GroupLines], list[GroupLines]]):
    """The lines of every record, split by group into files below `folder`, which every rank must see."""

    folder: Path
    name: str = "split"
    sees_vanished: ClassVar[bool] = True

    def tally(self, rules: Rules) -> SplitTally:
        return SplitTally(rules)

    def open_sink(self) -> VolumeParts:
        return VolumeParts(self.folder)

    def result(self, export: list[GroupLines], rules: Rules) -> list[GroupLines]:
        return export

    def checks(self, result: list[GroupLines], counts: Counts) -> Iterable[Check]:
        yield Check("records = lines split by group", counts.records, sum(group.lines for group in result))
