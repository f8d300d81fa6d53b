"""What there is to read of a volume, or why there is nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lurge.aggregate.interface import Aggregate
from lurge.aggregate.standard import STANDARD
from lurge.aggregate.usage import USERS
from lurge.config import Config
from lurge.errors import DumpNotFound, LurgeError, VolumeError
from lurge.export.split import SplitByGroup
from lurge.model.dump import Dump, Volume
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.outcome import State, VolumeOutcome
from lurge.source.finding import find_base_directories

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


def task_of(config: Config, dump: Dump, split_into: Path | None = None, is_reported: bool = True) -> VolumeTask:
    """How to read a dump. Raises BaseDirectoriesError if it has none.

    split_into: where to put the lines of each group, if they are wanted. is_reported: whether the whole report of the
    volume is wanted, and not only its users.
    """
    directories = config.dumps.base_directories
    aggregates: tuple[Aggregate[Any, Any], ...] = STANDARD if is_reported else (USERS,)
    if split_into:
        aggregates = (*aggregates, SplitByGroup(split_into))
    return VolumeTask(
        dump=dump,
        base_directories=directories or find_base_directories(config.dumps.directory, dump.record_date),
        pseudo_groups=config.pseudo_groups,
        filetypes=config.filetypes,
        deep_directories=config.reports.deep_directories,
        aliases=config.path_aliases,
        block_records=config.mpi.block_records,
        aggregates=aggregates,
    )
