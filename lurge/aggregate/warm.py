"""Compiling the kernels before there is work for them, on several cores, so that every rank finds them on disk."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lurge.aggregate.interface import Aggregate
from lurge.aggregate.records import RecordReader, Records
from lurge.aggregate.standard import STANDARD
from lurge.kernels import record
from lurge.kernels.attribute import attribute
from lurge.kernels.newlines import count_newlines, end_of_lines, end_without
from lurge.kernels.parse import parse_lines
from lurge.kernels.places import IS_KEPT
from lurge.kernels.table import merge_entries
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules

RULES = Rules(QUOTED_12, 0, (), (), (), (), PathAliases())

log = logging.getLogger(__name__)


def no_lines() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """uint8: a text of one blank line."""
    return np.frombuffer(bytearray(b"\n"), np.uint8)


def compile_parsing() -> None:
    """Compile what reads lines."""
    text = no_lines()
    count_newlines(text), end_without(text, 1), end_of_lines(text, 0, 1)
    for _ in RecordReader(RULES).parse(text, 1):
        pass


def compile_aggregates(aggregates: Iterable[Aggregate[Any, Any]] = STANDARD) -> None:
    """Compile what attributes, adds and merges."""
    reader = RecordReader(RULES)
    records = Records(0, 0, np.zeros((record.COLUMNS, 1), np.int64), np.zeros(1, np.uint8), 0, no_lines())
    reader.attribute(records)
    for aggregate in aggregates:
        tally = aggregate.tally(RULES)
        tally.add(records)
        tally.take_portion()
        tally.merge(tally.export())


PARTS: dict[str, Callable[[], None]] = {"parsing": compile_parsing, "aggregates": compile_aggregates}
"""Parts that take about the same time to compile."""


def is_compiled(kernel: Any) -> bool:
    """Whether a kernel was compiled here before."""
    is_kept: bool = kernel._cache.is_kept()
    return is_kept


def compile_kernels(aggregates: Iterable[Aggregate[Any, Any]]) -> None:
    """Compile all that a pass with some aggregates needs, unless it was compiled here before."""
    if not all(map(is_compiled, (parse_lines, attribute, merge_entries))):
        started = time.monotonic()
        log.info("compiling, once for this installation")
        if IS_KEPT:
            compile_in_processes()
        compile_parsing()
        compile_aggregates()
        log.info("compiled in %.1f s", time.monotonic() - started)
    compile_aggregates(aggregate for aggregate in aggregates if aggregate not in STANDARD)


def compile_in_processes() -> None:
    """Compile each part in a process of its own; this one finds on disk what they compiled."""
    commands = [[sys.executable, "-m", "lurge.aggregate.warm", part] for part in PARTS]
    processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in commands]
    for part, process in zip(PARTS, processes, strict=True):
        if status := process.wait():
            log.warning("compiling of the %s ended with status %d: compiling here", part, status)


if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
