"""Checks of undocumented interfaces of libraries: lurge works without them, but slower."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from importlib import import_module

from lurge.config import Config
from lurge.fallbacks import MISSING
from lurge.parallel.shared import share
from lurge.pipeline.doctor.finding import Finding, Verdict
from lurge.source.inflate import inflating

ADVICE = "Numbers are the same without it. To be faster, use versions of the libraries that lurge was tested with."


def check_interfaces(config: Config) -> Iterator[Finding]:
    """Use every interface once, and name those that are missing."""
    # Kernels use those of numba and llvmlite while they are imported.
    import_module("lurge.aggregate.warm")
    use_inflating()
    use_shared_memory()
    for interface, consequence in MISSING.items():
        yield Finding("interfaces", Verdict.WARNING, f"{interface} is missing: {consequence}", ADVICE)
    if not MISSING:
        yield Finding("interfaces", Verdict.OK, "the undocumented interfaces of libraries that lurge uses are there")


def use_inflating() -> None:
    """Make a reader of gzip."""
    with io.FileIO(os.devnull) as file:
        inflating(file)


def use_shared_memory() -> None:
    """Make a page of shared memory."""
    memory = share(mmap.PAGESIZE)
    if memory:
        memory.close()
