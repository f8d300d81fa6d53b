"""Compiling the kernels before there is work for them, on several cores, so that every rank finds them on disk."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lurge.aggregate.basedirs import DirectoryFinder
from lurge.aggregate.interface import Aggregate
from lurge.aggregate.records import RecordReader, Records
from lurge.aggregate.rollup import CellTable, roll_up_runs
from lurge.aggregate.standard import STANDARD
from lurge.aggregate.sums import Sums
from lurge.aggregate.table import Table
from lurge.aggregate.tree import TreeTally
from lurge.kernels import record
from lurge.kernels.attribute import attribute, drop_vanished
from lurge.kernels.basedirs import add_directories
from lurge.kernels.compiling import is_kept
from lurge.kernels.directories import add_files
from lurge.kernels.newlines import count_newlines, end_of_lines, end_without
from lurge.kernels.open_cells import fill_slots
from lurge.kernels.pages import (
    TILE,
    USAGE_COLUMNS,
    append_cells,
    append_paths,
    extremes,
    read_owners,
    write_columns,
)
from lurge.kernels.parse import parse_lines
from lurge.kernels.places import IS_KEPT
from lurge.kernels.rollup import roll_up
from lurge.kernels.sums import add_records
from lurge.kernels.table import merge_entries, refill_slots
from lurge.kernels.tree import add_own, close_last, export_run
from lurge.kernels.vault import add_keys, find_keys
from lurge.kernels.walk_lines import begin, names_of, new_lines, walk_lines
from lurge.logs import set_up_logs
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
    """Compile the kernels that read lines and sum records."""
    text = blank_line()
    for kernel, arguments in ((count_newlines, ()), (end_without, (1,)), (end_of_lines, (0, 1))):
        kernel(text, *arguments)
    for _ in RecordReader(RULES).parse(text, 1):
        pass
    compile_aggregates(aggregate for aggregate in STANDARD if isinstance(aggregate, Sums))
    Table(entries=1).make_room(0, 2)


def compile_attribution() -> None:
    """Compile the kernels that attribute records and add them to tables of other forms."""
    records = no_records()
    RecordReader(RULES).attribute(records)
    drop_vanished(records.fields, 0)
    find_keys(records.fields, 0, records.paths, records.paths, records.paths, np.zeros(0, np.uint8))
    compile_aggregates(aggregate for aggregate in STANDARD if not isinstance(aggregate, Sums))


def compile_cells() -> None:
    """Compile the kernels of the tree index that add records to cells."""
    tally = TreeTally(RULES, ())
    tally.add_to_cells(no_records())
    tally.export()
    text, index, numbers = np.zeros(0, np.uint8), np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
    export_run(text, text, index, numbers, numbers)


def compile_rolling_up() -> None:
    """Compile the kernels of the tree index that roll up cells and write them."""
    text, index, numbers = np.zeros(0, np.uint8), np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
    append_cells(text, numbers, np.zeros(5, np.int64), index, text, np.zeros(0, np.int32), numbers)
    tile = np.zeros((TILE, USAGE_COLUMNS), np.int64)
    codes, slots = np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint16)
    write_columns(tile, codes, tile, numbers, slots, np.zeros(0, np.uint32), tile, text, numbers, 0, 0)
    read_owners(numbers, numbers, text, 0, np.zeros(0, np.int32))
    append_paths(text, 0, text, numbers, numbers, np.zeros((0, 2), np.int64))
    extremes(text, np.zeros((1, 2), np.int64))
    CellTable().grow(np.zeros((0, 5), np.int64), 0)
    for _ in roll_up_runs([], lambda offset, memory: 0, b"", 0):
        pass


def compile_walking() -> None:
    """Compile the kernels of `lurge scan` and `lurge look`, which walk trees."""
    lines = new_lines()
    begin(np.zeros(0, np.uint8), True, 1, 1, *lines)
    walk_lines(0, np.uint64(0), False, False, *lines)
    names_of(np.zeros(0, np.uint8), 0, 0, *lines)


def compile_basedirs() -> None:
    """Compile the kernel of `lurge basedirs`."""
    DirectoryFinder(0, {}).add(QUOTED_12, blank_line())


def compile_aggregates(aggregates: Iterable[Aggregate[Any, Any]]) -> None:
    """Compile what some aggregates need to add records and to merge."""
    for aggregate in aggregates:
        tally = aggregate.tally(RULES)
        tally.add(no_records())
        tally.take_portion()
        tally.merge(tally.export())


def no_records() -> Records:
    """An empty portion of records."""
    return Records(0, 0, np.zeros((record.COLUMNS, 1), np.int64), np.zeros(1, np.uint8), 0, blank_line(), 1, 0)


@dataclass(frozen=True)
class Part:
    """Kernels that are compiled in one process."""

    compile: Callable[[], None]
    kernels: tuple[Any, ...]


PARTS = {
    "parsing": Part(
        compile_parsing,
        (count_newlines, end_without, end_of_lines, parse_lines, add_records, merge_entries, refill_slots),
    ),
    "attribution": Part(compile_attribution, (attribute, drop_vanished, add_files, add_keys, find_keys)),
    "cells": Part(compile_cells, (add_own, close_last, export_run)),
    "rolling-up": Part(
        compile_rolling_up,
        (fill_slots, roll_up, append_cells, write_columns, read_owners, append_paths, extremes),
    ),
    "walking": Part(compile_walking, (begin, walk_lines, names_of)),
    "basedirs": Part(compile_basedirs, (add_directories,)),
}
REPORT = ("parsing", "attribution")
"""The parts that every pass needs. They take about the same time to compile, each part of the tree index less."""

TREE = ("cells", "rolling-up")
"""The parts of the tree index."""

WALK = "walking"


def compile_kernels(parts: Sequence[str], progress: Progress, aggregates: Iterable[Aggregate[Any, Any]] = ()) -> None:
    """Compile some parts, and what other aggregates need, unless it was compiled here before."""
    kernels = [kernel for part in parts for kernel in PARTS[part].kernels]
    if not all(map(is_kept, kernels)):
        started = time.monotonic()
        log.info("compiling, once for this installation")
        if IS_KEPT:
            compile_in_processes(parts, lambda: progress(sum(map(is_kept, kernels)), len(kernels)))
        for part in parts:
            PARTS[part].compile()
        progress(len(kernels), len(kernels))
        log.info("compiled in %.1f s", time.monotonic() - started)
    compile_aggregates(aggregate for aggregate in aggregates if aggregate not in STANDARD)


def compile_in_processes(parts: Sequence[str], look: Callable[[], None]) -> None:
    """Compile each part in a process of its own; this one finds on disk what they compiled. look: called meanwhile."""
    commands = {part: [sys.executable, "-P", "-m", "lurge.aggregate.warm", part] for part in parts}
    processes = {part: subprocess.Popen(command, stdin=subprocess.DEVNULL) for part, command in commands.items()}
    while any(process.poll() is None for process in processes.values()):
        look()
        time.sleep(SECONDS_BETWEEN_LOOKS)
    for part, process in processes.items():
        if process.returncode:
            log.warning("compiling of the %s ended with status %d: compiling here", part, process.returncode)


if __name__ == "__main__":
    # A compiler makes millions of objects. Looking for cycles among them takes a twentieth of its time.
    gc.disable()
    set_up_logs(0)
    for name in sys.argv[1:] or PARTS:
        PARTS[name].compile()
