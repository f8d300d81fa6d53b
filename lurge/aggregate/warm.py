"""Compiling the kernels before there is work for them, so that ranks find them on disk."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.kernel import read_lines
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules

log = logging.getLogger(__name__)


def compile_kernels() -> None:
    """Compile what reading and merging need, unless it was compiled here before."""
    if any(Path(read_lines.stats.cache_path).glob("kernel.read_lines-*.nbi")):
        return
    started = time.monotonic()
    log.info("compiling, once for this installation")
    rules = Rules(QUOTED_12, 0, (), (), (), (), PathAliases())
    aggregator = Aggregator(rules)
    aggregator.add(np.frombuffer(bytearray(b"\n"), np.uint8), 1)
    aggregator.merge(aggregator.export())
    log.info("compiled in %.1f s", time.monotonic() - started)
