"""Reports of the kernel and of its plain twin, compared row by row."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime

from lurge.aggregate.plain import PlainAggregator
from lurge.config import load_config
from lurge.model.dump import Dump
from lurge.model.report import VolumeReport
from lurge.model.rules import Rules
from lurge.parallel.blocks import Buffers, OpenDump, cut
from lurge.parallel.reader import rules_of
from lurge.pipeline.work import task_of
from lurge.source.finding import newest_dump
from lurge.source.inflate import DumpReader
from tests.hostile.worlds import MadeVolume, World
from tests.passes import StandardPass

ROWS_SHOWN = 5


class Difference(Exception):  # noqa: N818 - the tools look for it
    """Two results that should be equal differ."""


def twin_report(rules: Rules, text: bytes) -> VolumeReport:
    """The report of the plain twin on a text."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    plain = PlainAggregator(rules)
    for number, line in enumerate(lines, 1):
        plain.add(line, number)
    return plain.report(len(lines))


def kernel_report(rng: random.Random, rules: Rules, made: MadeVolume, dump: Dump) -> VolumeReport:
    """The kernel's report on a dump that is cut at random, read by several passes and merged in any order."""
    parts = [StandardPass(rules) for _ in range(rng.randint(1, 3))]
    buffer_bytes = rng.choice([2 << 20, 1 << 16, rng.randint(1 + len(made.text) // 1000, 1 + len(made.text))])
    block_lines = rng.choice([1, 2, 7, 50, 250, 1000])
    lines = 0
    with closing(DumpReader(dump.path)) as reader:
        for batch in cut(reader.read_into, block_lines, Buffers(buffer_bytes)):
            rng.choice(parts).add(batch.text, batch.first_line)
            lines += batch.lines
    rng.shuffle(parts)
    merged = StandardPass(rules)
    for part in parts:
        merged.merge(part.export())
    return merged.report(lines)


def compare(title: str, expected: Iterable[object], actual: Iterable[object]) -> None:
    """Raise Difference, with the first rows that only one of both has, unless the rows are equal in any order."""
    left, right = Counter(map(repr, expected)), Counter(map(repr, actual))
    if left == right:
        return
    shown = [f"{title} differ"]
    for sign, only in (("expected", left - right), ("actual", right - left)):
        shown += [f"  {sign} {count} x {row[:600]}" for row, count in sorted(only.items())[:ROWS_SHOWN]]
    raise Difference("\n".join(shown))


def compare_reports(volume: str, twin: VolumeReport, kernel: VolumeReport) -> None:
    compare(f"{volume}: counts", [twin.counts], [kernel.counts])
    for part in (field.name for field in fields(VolumeReport) if field.name != "counts"):
        compare(f"{volume}: {part}", getattr(twin, part), getattr(kernel, part))
    if twin != kernel:
        raise Difference(f"{volume}: the order of rows differs")


def check_volume(world: World, made: MadeVolume) -> VolumeReport:
    """Read a volume with the twin and twice with the kernel; returns the twin's report."""
    config = load_config(world.site.config)
    volume = next(volume for volume in config.dumps.volumes if volume.name == made.name)
    dump = newest_dump(config.dumps.directory, volume, datetime.now(UTC).date(), config.dumps.max_days_ago)
    with closing(OpenDump(dump.path)) as opened:
        compare(f"{made.name}: eras", [made.era], [opened.era])
    rules = rules_of(task_of(config, dump), made.era)
    twin = twin_report(rules, made.text)
    for _ in range(2):
        kernel = kernel_report(world.rng, rules, made, dump)
        compare_reports(made.name, twin, kernel)
    return twin
