"""Compiling the kernels before there is work for them, on several cores, so that every rank finds them on disk."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lurge.aggregate.basedirs import DirectoryFinder
from lurge.aggregate.interface import Aggregate
from lurge.aggregate.records import RecordReader, Records
from lurge.aggregate.standard import STANDARD
from lurge.kernels import record
from lurge.kernels.attribute import attribute
from lurge.kernels.basedirs import add_directories
from lurge.kernels.compiling import is_kept
from lurge.kernels.directories import add_files
from lurge.kernels.newlines import count_newlines, end_of_lines, end_without
from lurge.kernels.parse import parse_lines
from lurge.kernels.places import IS_KEPT
from lurge.kernels.sums import add_records
from lurge.kernels.table import merge_entries, refill_slots
from lurge.kernels.vault import add_keys
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules

RULES = Rules(QUOTED_12, 0, (), (), (), (), PathAliases())
SECONDS_BETWEEN_LOOKS = 0.5

Progress = Callable[[int, int], None]
"""Takes the number of kernels that are compiled, and of all."""

log = logging.getLogger(__name__)


def blank_line() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """uint8: a text of one blank line."""
    return np.frombuffer(bytearray(b"\n"), np.uint8)


def compile_parsing() -> None:
    """Compile the kernels that read lines, and the one of `lurge basedirs`."""
    text = blank_line()
    for kernel, arguments in ((count_newlines, ()), (end_without, (1,)), (end_of_lines, (0, 1))):
        kernel(text, *arguments)
    DirectoryFinder(0, {}).add(QUOTED_12, text)


def compile_aggregates(aggregates: Iterable[Aggregate[Any, Any]] = STANDARD) -> None:
    """Compile the kernels that attribute, add and merge."""
    reader = RecordReader(RULES)
    records = Records(0, 0, np.zeros((record.COLUMNS, 1), np.int64), np.zeros(1, np.uint8), 0, blank_line())
    reader.attribute(records)
    for aggregate in aggregates:
        tally = aggregate.tally(RULES)
        tally.add(records)
        tally.take_portion()
        tally.merge(tally.export())


PARTS: dict[str, Callable[[], None]] = {"parsing": compile_parsing, "aggregates": compile_aggregates}
"""Parts that take about the same time to compile."""

KERNELS = (
    count_newlines, end_without, end_of_lines, parse_lines, add_directories, attribute, add_records, add_files,
    add_keys, merge_entries, refill_slots,
)  # fmt: skip
"""The kernels of all parts."""


def compile_kernels(aggregates: Iterable[Aggregate[Any, Any]], progress: Progress) -> None:
    """Compile all that a pass with some aggregates needs, unless it was compiled here before."""
    if not all(map(is_kept, KERNELS)):
        started = time.monotonic()
        log.info("compiling, once for this installation")
        if IS_KEPT:
            compile_in_processes(progress)
        for compile_part in PARTS.values():
            compile_part()
        progress(len(KERNELS), len(KERNELS))
        log.info("compiled in %.1f s", time.monotonic() - started)
    compile_aggregates(aggregate for aggregate in aggregates if aggregate not in STANDARD)


def compile_in_processes(progress: Progress) -> None:
    """Compile each part in a process of its own; this one finds on disk what they compiled."""
    commands = {part: [sys.executable, "-P", "-m", "lurge.aggregate.warm", part] for part in PARTS}
    processes = {part: subprocess.Popen(command, stdin=subprocess.DEVNULL) for part, command in commands.items()}
    while any(process.poll() is None for process in processes.values()):
        progress(sum(map(is_kept, KERNELS)), len(KERNELS))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    for part, process in processes.items():
        if process.returncode:
            log.warning("compiling of the %s ended with status %d: compiling here", part, process.returncode)


if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
