"""Compiling the kernels before there is work for them, so that ranks find them on disk."""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.kernel import read_lines
from lurge.aggregate.split import Splitter, write_records
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules

log = logging.getLogger(__name__)


def is_compiled(kernel: Any) -> bool:
    """Whether a kernel was compiled here before."""
    kept: bool = kernel._cache.is_kept()
    return kept


def compile_kernels(splits: bool) -> None:
    """Compile what reading and merging need, and, for a split, splitting, unless it was compiled here before."""
    if is_compiled(read_lines) and (not splits or is_compiled(write_records)):
        return
    started = time.monotonic()
    log.info("compiling, once for this installation")
    rules = Rules(QUOTED_12, 0, (), (), (), (), PathAliases())
    line = np.frombuffer(bytearray(b"\n"), np.uint8)
    aggregator = Aggregator(rules)
    aggregator.add(line, 1)
    aggregator.merge(aggregator.export())
    if splits:
        Splitter(rules).split(line, 1)
    log.info("compiled in %.1f s", time.monotonic() - started)
