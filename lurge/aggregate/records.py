"""Records in columns, as every aggregate gets them, and reading them from the lines of a dump."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.attribute import (
    ATTRIBUTED,
    RECORDS,
    UNATTRIBUTED,
    VANISHED,
    Attribution,
    Counters,
    attribute,
    drop_vanished,
    new_counters,
)
from lurge.kernels.lookup import ANY_GROUP, compile_lookup
from lurge.kernels.parse import PATH_ROOM, SLACK, Rejected, new_rejected, new_scratch, parse_lines
from lurge.model.paths import shown
from lurge.model.report import REASONS, SAMPLES_KEPT, Counts, Sample
from lurge.model.rules import Rules

RECORDS_AT_ONCE = 4104
"""As many as stay in a core's cache while one aggregate after another goes over them. Not a power of two: columns at
such distances would share few places of the cache."""

PATH_BYTES = RECORDS_AT_ONCE * 128 + int(PATH_ROOM)


@dataclass
class Records:
    """Some records of a dump, each attributed. The arrays are used again for the next ones.

    count: how many. vanished: how many of them had vanished. fields: int64[record.COLUMNS, at least count];
    kernels.record numbers the columns. paths: uint8, of which path_bytes are used. text: uint8, the lines from which
    they and others were read, the first of which has the number first_line; text_bytes of it are of these records.
    """

    count: int
    vanished: int
    fields: npt.NDArray[np.int64]
    paths: npt.NDArray[np.uint8]
    path_bytes: int
    text: npt.NDArray[np.uint8]
    first_line: int
    text_bytes: int

    def column(self, number: int) -> npt.NDArray[np.int64]:
        """int64[count]: one column, as a view."""
        column: npt.NDArray[np.int64] = self.fields[number, : self.count]
        return column

    def path(self, row: int) -> bytes:
        """The path of one record."""
        start, length = self.fields[record.START, row], self.fields[record.LENGTH, row]
        return self.paths[start : start + length].tobytes()

    def drop_vanished(self) -> None:
        """Leave out the records of entries that had vanished: they count nowhere."""
        if self.vanished:
            self.count, self.vanished = int(drop_vanished(self.fields, self.count)), 0


@dataclass(frozen=True)
class Counted:
    """Counters that are kept while reading, apart from all aggregates."""

    counters: Counters
    rejected: Rejected


class RecordReader:
    """Reads the lines of one volume's dump into records, and counts them."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._attribution = compile_attribution(rules).arrays()
        self._scratch = new_scratch()
        self._fields = np.zeros((record.COLUMNS, RECORDS_AT_ONCE), np.int64)
        self._paths = np.zeros(PATH_BYTES + SLACK, np.uint8)
        self.counted = Counted(new_counters(), new_rejected(len(REASONS)))

    def read(self, text: npt.NDArray[np.uint8], first_line: int) -> Iterator[Records]:
        """Attributed records of whole lines, the last of which may lack its newline; vanished ones are among them.

        text: uint8, contiguous, writable. first_line: the number of the first line in the dump, from 1.
        """
        for records in self.parse(text, first_line):
            self.attribute(records)
            yield records

    def parse(self, text: npt.NDArray[np.uint8], first_line: int) -> Iterator[Records]:
        """As `read`, but not attributed."""
        era = self._rules.era
        start, line = 0, first_line
        while start < len(text):
            count, used, end, line = parse_lines(
                int(era.encoding), era.columns, self._rules.dump_time, text, start, line, self._fields, self._paths,
                *self._scratch, *self.counted.rejected,
            )  # fmt: skip
            self.counted.counters.records[RECORDS] += count
            yield Records(count, 0, self._fields, self._paths, used, text, first_line, end - start)
            start = end

    def attribute(self, records: Records) -> None:
        """Fill the columns from GROUP on, and count."""
        records.vanished = attribute(
            records.fields, records.count, records.paths, *self.counted.counters, *self._attribution
        )


def compile_attribution(rules: Rules) -> Attribution:
    """The kernel's form of base directories and pseudo groups."""
    _, bases = rules.bases()
    pseudo = {(int(ANY_GROUP), path): gid for path, gid in rules.pseudo_gids().items()}
    lookups = compile_lookup(bases), compile_lookup(pseudo)
    return Attribution(*lookups, either(lookups[0].lengths, lookups[1].lengths))


def either(left: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """bool[n]: true if one of two arrays, which may differ in length, is true."""
    both = np.zeros(max(len(left), len(right)), np.bool_)
    both[: len(left)] |= left
    both[: len(right)] |= right
    return both


def merge_counted(mine: Counted, other: Counted) -> None:
    """Add what another process counted of the same volume."""
    mine.counters.records[:] += other.counters.records
    for row in range(2):
        total = sum_words(mine.counters.bytes[row]) + sum_words(other.counters.bytes[row])
        mine.counters.bytes[row] = (total & (2**64 - 1), total >> 64)
    merge_rejected(mine.rejected, other.rejected)


def sum_words(words: npt.NDArray[np.uint64]) -> int:
    """A 128-bit number from its low and high word."""
    low, high = words.tolist()
    return int(low) + (int(high) << 64)


def merge_rejected(mine: Rejected, other: Rejected) -> None:
    """Add another process's counts; the first samples by line number are kept."""
    for reason, other_count in enumerate(other.counts.tolist()):
        samples = [
            (*rejected.samples[reason, i].tolist(), rejected.text[reason, i].copy())
            for rejected in (mine, other)
            for i in range(min(int(rejected.counts[reason]), SAMPLES_KEPT))
        ]
        mine.counts[reason] += other_count
        samples.sort(key=lambda sample: sample[0])
        for i, (line, length, text) in enumerate(samples[:SAMPLES_KEPT]):
            mine.samples[reason, i] = (line, length)
            mine.text[reason, i] = text


def make_counts(counted: Counted, lines: int) -> Counts:
    """The counters of a whole pass. lines: the number of lines in the dump, counted by whoever cut it."""
    records = counted.counters.records.tolist()
    attributed_bytes, unattributed_bytes = map(sum_words, counted.counters.bytes)
    return Counts(
        lines=lines,
        records=records[RECORDS],
        attributed=records[ATTRIBUTED],
        unattributed=records[UNATTRIBUTED],
        vanished=records[VANISHED],
        attributed_bytes=attributed_bytes,
        unattributed_bytes=unattributed_bytes,
        rejected_by_reason=dict(zip(REASONS, counted.rejected.counts.tolist(), strict=True)),
    )


def make_samples(rejected: Rejected, reasons: Sequence[str]) -> list[Sample]:
    """The first lines that were left out for each reason."""
    return [
        Sample(
            reason,
            int(rejected.samples[number, i, 0]),
            shown(rejected.text[number, i, : rejected.samples[number, i, 1]].tobytes()),
        )
        for number, reason in enumerate(reasons)
        for i in range(min(int(rejected.counts[number]), SAMPLES_KEPT))
    ]
