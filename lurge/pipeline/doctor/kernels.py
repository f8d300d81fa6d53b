"""Checks of the folder of compiled kernels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lurge.config import Config
from lurge.kernels.places import CACHE, CACHE_VARIABLE, GIVEN, IS_KEPT
from lurge.pipeline.doctor.finding import Finding, Verdict


def check_cache(config: Config) -> Iterator[Finding]:
    """Check that compiled kernels can be kept, and that those that are kept can be read."""
    advice = f"Set ${CACHE_VARIABLE} to a directory of your own that every node sees and nobody else may write to."
    if GIVEN and not CACHE.is_relative_to(os.path.abspath(GIVEN)):
        yield Finding("kernels", Verdict.WARNING, f"${CACHE_VARIABLE} is not used: others may write to {GIVEN}", advice)
    if damaged := damaged_kernels():
        names = ", ".join(path.name for path in damaged[:3])
        said = f"{len(damaged)} files of compiled kernels are damaged in {CACHE}: {names}"
        yield Finding("kernels", Verdict.WARNING, said, "Nothing: the next report compiles them again.")
    elif IS_KEPT:
        yield Finding("kernels", Verdict.OK, f"compiled kernels are kept in {CACHE}")
    else:
        yield Finding("kernels", Verdict.WARNING, "no safe place for compiled kernels: every run compiles", advice)


def damaged_kernels() -> list[Path]:
    """The files of compiled kernels that cannot be read; none without the classes of numba that lurge extends."""
    try:
        from lurge.kernels.cache import damaged_files
    except ImportError:
        return []
    return damaged_files()
