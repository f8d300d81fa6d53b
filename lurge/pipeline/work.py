"""Tasks: how to read one volume."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lurge.aggregate.interface import Aggregate
from lurge.aggregate.standard import STANDARD
from lurge.aggregate.usage import USERS
from lurge.config import Config
from lurge.errors import DumpNotFound, VolumeError
from lurge.export.split import SplitByGroup
from lurge.model.dump import Dump, Volume
from lurge.model.rules import FileType
from lurge.model.tree import ENDS
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.bucket_dumps import made_dump
from lurge.pipeline.volumes import State, VolumeOutcome
from lurge.source.finding import find_base_directories
from lurge.store.tree.build import TreeIndex

log = logging.getLogger(__name__)


def attempt(volume: Volume, make_task: Callable[[], VolumeTask | VolumeOutcome]) -> VolumeTask | VolumeOutcome:
    """The task of a volume, or its outcome if an error that concerns this volume alone prevents it."""
    try:
        return make_task()
    except DumpNotFound as error:
        log.warning("%s", error.message)
        return VolumeOutcome(volume.name, State.MISSING, error=error)
    except VolumeError as error:
        return failed(volume, error)
    except OSError as error:
        message = f"{volume.name}: {error.filename}: {error.strerror}"
        return failed(volume, VolumeError(message, "Correct its permissions."))


def failed(volume: Volume, error: VolumeError) -> VolumeOutcome:
    """The outcome of a volume that cannot be read."""
    log.error("%s: %s", volume.name, error.message)
    return VolumeOutcome(volume.name, State.FAILED, error=error)


def task_of(
    config: Config, dump: Dump, split_into: Path | None = None, is_reported: bool = True, tree_into: Path | None = None
) -> VolumeTask:
    """The task of reading a dump, which is written if it is that of a bucket. Raises VolumeError.

    split_into: the folder for the lines of each group, if they are asked for. is_reported: False if only the users of
    the volume are asked for, and not its whole report. tree_into: a new folder for the tree index, if it is asked for.
    """
    directories = made_dump(config, dump) if dump.volume.inventory else config.dumps.base_directories
    aggregates: tuple[Aggregate[Any, Any], ...] = STANDARD if is_reported else (USERS,)
    if split_into:
        aggregates = (*aggregates, SplitByGroup(split_into))
    if is_reported and config.works.from_dumps:
        from lurge.pipeline.dumped_works import works_aggregate

        aggregates = (*aggregates, *works_aggregate(config, dump))
    if tree_into:
        aggregates = (*aggregates, TreeIndex(tree_into, dump.volume.mount, tree_filetypes(config)))
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


def tree_filetypes(config: Config) -> tuple[FileType, ...]:
    """The filetypes of the tree index: the configured ones, then the general ones, each name once.

    A name that the index has for something else gets a word more.
    """
    suffixes: dict[str, tuple[str, ...]] = {}
    for filetype in (*config.filetypes, *config.tree.filetypes):
        name = f"{filetype.name} files" if filetype.name in ENDS else filetype.name
        suffixes[name] = (*suffixes.get(name, ()), *filetype.suffixes)
    return tuple(FileType(name, of_type) for name, of_type in suffixes.items())
