"""One process's part of a pass over a volume: read lines into records, and add these to every aggregate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate
from lurge.aggregate.reconcile import count_checks, reconcile
from lurge.aggregate.records import Counted, RecordReader, make_counts, make_samples, merge_counted
from lurge.model.report import REASONS, Counts, Sample
from lurge.model.rules import Rules

R = TypeVar("R")

Aggregates = Sequence[Aggregate[Any, Any]]


@dataclass(frozen=True)
class VolumeExport:
    """The counts of a pass so far, for another process. tallies: exports by the names of their aggregates."""

    counted: Counted
    tallies: dict[str, Any] = field(repr=False)


class Pass:
    """A pass over the lines of one volume, or over some of them."""

    def __init__(self, rules: Rules, aggregates: Aggregates) -> None:
        self._reader = RecordReader(rules)
        self._tallies = {aggregate.name: aggregate.tally(rules) for aggregate in aggregates}
        seeing = {aggregate.name for aggregate in aggregates if aggregate.sees_vanished}
        self._before = [tally for name, tally in self._tallies.items() if name in seeing]
        self._after = [tally for name, tally in self._tallies.items() if name not in seeing]

    def add(self, text: npt.NDArray[np.uint8], first_line: int) -> None:
        """Read whole lines, the last of which may lack its newline.

        text: uint8, contiguous, writable. first_line: the number of the first line in the dump, from 1.
        """
        for records in self._reader.read(text, first_line):
            for tally in self._before:
                tally.add(records)
            records.drop_vanished()
            for tally in self._after:
                tally.add(records)

    def take_portions(self) -> dict[str, Any]:
        """The portions for sinks since the last call, by the names of their aggregates."""
        portions = {name: tally.take_portion() for name, tally in self._tallies.items()}
        return {name: portion for name, portion in portions.items() if portion is not None}

    def export(self) -> VolumeExport:
        """Everything counted so far, for `merge` in another process; arrays may be views."""
        return VolumeExport(self._reader.counted, {name: tally.export() for name, tally in self._tallies.items()})

    def merge(self, export: VolumeExport) -> None:
        """Add another process's export for the same volume."""
        merge_counted(self._reader.counted, export.counted)
        for name, tally in self._tallies.items():
            tally.merge(export.tallies[name])


@dataclass(frozen=True)
class Results:
    """The results of a whole pass. samples: the first rejected lines."""

    counts: Counts
    samples: list[Sample]
    _results: Mapping[str, Any]

    def of(self, aggregate: Aggregate[Any, R]) -> R:
        """The result of an aggregate. Raises KeyError if it was not part of the pass, or its sink failed."""
        result: R = self._results[aggregate.name]
        return result


def make_results(volume: str, export: VolumeExport, rules: Rules, aggregates: Aggregates, lines: int) -> Results:
    """The results of the aggregates in an export, checked.

    lines: the number of lines in the dump, counted by whoever cut it. Raises ReconciliationError.
    """
    counts = make_counts(export.counted, lines)
    present = [aggregate for aggregate in aggregates if aggregate.name in export.tallies]
    results = {aggregate.name: aggregate.result(export.tallies[aggregate.name], rules) for aggregate in present}
    reconcile(volume, count_checks(counts))
    for aggregate in present:
        reconcile(volume, aggregate.checks(results[aggregate.name], counts))
    return Results(counts, make_samples(export.counted.rejected, REASONS), results)
