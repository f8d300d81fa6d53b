"""Checks of the batch system."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from lurge.config import Config
from lurge.pipeline.doctor.finding import Finding, Verdict


def check_batch(config: Config) -> Iterator[Finding]:
    """Look for a scheduler."""
    schedulers = [name for name in ("bsub", "sbatch") if shutil.which(name)]
    if not schedulers:
        yield Finding(
            "batch",
            Verdict.WARNING,
            "neither bsub nor sbatch is on PATH",
            "Run `lurge report`, with MPI `lurge report -n RANKS`.",
        )
    for name in schedulers:
        yield Finding("batch", Verdict.OK, f"{name} is on PATH")
    if "bsub" in schedulers and not config.batch.group:
        yield Finding("batch", Verdict.WARNING, "batch.group is not set", "Many sites want bsub -G: set it.")
