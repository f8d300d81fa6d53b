"""What there is to read of a volume, or why there is nothing."""

from __future__ import annotations

import logging
from pathlib import Path

from lurge.config import Config
from lurge.errors import DumpNotFound, LurgeError, VolumeError
from lurge.model.dump import Dump, Volume
from lurge.pipeline.outcome import State, VolumeOutcome
from lurge.source.finding import find_base_directories
from lurge.stream.protocol import Job

log = logging.getLogger(__name__)


def problem_with(volume: Volume, error: LurgeError) -> VolumeOutcome:
    """The outcome of a volume of which nothing can be read."""
    if isinstance(error, DumpNotFound):
        log.warning("%s", error.message)
        return VolumeOutcome(volume.name, State.MISSING, error=error)
    if not isinstance(error, VolumeError):
        raise error
    log.error("%s: %s", volume.name, error.message)
    return VolumeOutcome(volume.name, State.FAILED, error=error)


def job_of(config: Config, dump: Dump, split_into: Path | None = None) -> Job:
    """How to read a dump. Raises BaseDirectoriesError where it has none."""
    directories = config.dumps.base_directories
    return Job(
        dump=dump,
        base_directories=directories or find_base_directories(config.dumps.directory, dump.record_date),
        pseudo_groups=config.pseudo_groups,
        filetypes=config.filetypes,
        deep_directories=config.reports.deep_directories,
        aliases=config.path_aliases,
        block_records=config.mpi.block_records,
        split_into=split_into,
    )
