"""Seconds of each stage of reading a volume, summed over all threads and ranks.

inflate   reading and inflating the dump
cut       finding where blocks end
blocked   inflated text waits for somebody to take it
send      handing blocks to workers
wait      workers wait for blocks
read      parsing lines and adding them to tables, one pass
merge     adding the workers' tables
finish    ending what portions were for, such as rolling up the tree index
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

STAGES = ("inflate", "cut", "blocked", "send", "wait", "read", "merge", "finish")
OF_WORKERS = ("read", "wait")
"""The stages that a worker tells its controller."""


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens within for a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started
