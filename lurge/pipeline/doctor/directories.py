"""Checks of the directories that jobs write into."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from lurge.config import Config
from lurge.pipeline.doctor.finding import Finding, Verdict
from lurge.pipeline.outputs import nearest_existing, obstacle, output_directories

LEAST_FREE_BYTES = 1 << 30


def check_directories(config: Config) -> Iterator[Finding]:
    """Check that every directory a job writes into can be written, and has room."""
    problems: dict[str, list[str]] = {}
    places: dict[int, tuple[Path, list[str]]] = {}
    for key, directories in output_directories(config).items():
        problem = next(filter(None, map(obstacle, directories)), None)
        if problem:
            problems.setdefault(problem, []).append(key)
        else:
            above = nearest_existing(directories[0])
            places.setdefault(above.stat().st_dev, (above, []))[1].append(key)
    for problem, keys in problems.items():
        advice = "Correct its permissions, or set the keys to other directories."
        yield Finding("reports", Verdict.FAILURE, f"{', '.join(keys)}: {problem}", advice)
    for above, keys in places.values():
        free = shutil.disk_usage(above).free
        said = f"{', '.join(keys)}: can be written, {free >> 20:,} MiB free"
        low = free < LEAST_FREE_BYTES
        yield Finding("reports", Verdict.WARNING if low else Verdict.OK, said, "Free space." if low else "")
