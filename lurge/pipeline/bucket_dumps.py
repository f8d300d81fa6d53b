"""Buckets as volumes: the newest inventory of a bucket, as a dump that is written when it is to be read."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from contextlib import suppress
from datetime import date
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from lurge.atomic import whole_file
from lurge.config import Config
from lurge.errors import DumpNotFound, LurgeError, OutputError, VolumeError
from lurge.model.dump import Dump, Volume
from lurge.source.deflate import deflating

if TYPE_CHECKING:
    from lurge.store.lake.loads import Load

FOLDER, STATS, BASE_DIRECTORIES = "buckets", "stats.gz", "bucket.basedirs"
BYTES_A_ROW = 40
"""About the size of a line, compressed: for the order in which volumes are read."""

LEAST_SECONDS, LEAST_ROWS_A_SECOND, MOST_TEMPORARY = 600, 10_000, "1TB"
"""Limits on sorting a bucket, which takes as long as it is large."""

KEPT_SECONDS = 2 * 86400

log = logging.getLogger(__name__)


def loads_of(config: Config, volume: Volume) -> list[Load]:
    """The loads of a bucket, the newest first. Raises VolumeError, DumpNotFound if there is none."""
    from lurge.store.lake.catalog import Lake
    from lurge.store.lake.loads import all_loads

    lake = Lake(config.lake)
    try:
        loads = all_loads(lake, lake.table()).values() if lake.exists else ()
    except LurgeError as error:
        raise VolumeError(f"{volume.name}: {error.message}", error.advice) from error
    found = [load for load in loads if load.bucket == volume.inventory and not load.is_expired]
    if not found:
        raise DumpNotFound(
            f"{volume.name}: no inventory of {volume.inventory} is in the lake", "Load one: lurge lake load PLACE"
        )
    return sorted(found, key=lambda load: (load.time, load.loaded), reverse=True)


def dumps_of(config: Config, volume: Volume) -> list[Dump]:
    """The dumps of a bucket, one a date, the newest first. Their files need not exist yet. Raises VolumeError."""
    dumps: dict[date, Dump] = {}
    for load in loads_of(config, volume):
        path = folder_of(config, volume, load) / STATS
        modified = int(load.loaded.timestamp() * 10**6) * 1000
        dumps.setdefault(load.date, Dump(volume, path, load.date, load.rows * BYTES_A_ROW, modified))
    return list(dumps.values())


def folder_of(config: Config, volume: Volume, load: Load) -> Path:
    """The folder of a load's dump. Another load, or other owners, make another one."""
    content = f"{load.identity} {load.loaded.isoformat()} {config.lake.owners}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return config.reports.directory / FOLDER / f"{load.time:%Y%m%d}_{volume.name}.{digest}"


def made_dump(config: Config, dump: Dump) -> Path:
    """Write the dump of a bucket, unless it is there; returns its file of base directories. Raises VolumeError."""
    folder = dump.path.parent
    base_directories = folder / BASE_DIRECTORIES
    if not base_directories.exists():
        load = next(
            (one for one in loads_of(config, dump.volume) if folder_of(config, dump.volume, one) == folder), None
        )
        if load is None:
            raise DumpNotFound(f"{dump.volume.name}: the inventory of {dump.record_date} is not in the lake any more")
        try:
            remove_old(folder.parent)
            folder.mkdir(parents=True, exist_ok=True)
            write_dump(config, dump, load)
        except OSError as error:
            failed = OutputError.at(error.filename or folder, error)
            raise VolumeError(f"{dump.volume.name}: {failed.message}", failed.advice) from error
        except LurgeError as error:
            raise VolumeError(f"{dump.volume.name}: {error.message}", error.advice) from error
    # It is not too old for the job that reads it.
    os.utime(folder)
    return base_directories


def write_dump(config: Config, dump: Dump, load: Load) -> None:
    """Write the lines of an inventory, then its base directories. Raises LurgeError, OSError."""
    from lurge.source.inventory.lines import NEEDED, Lines, Owner
    from lurge.store.lake.catalog import Lake
    from lurge.store.lake.query import Limits, questions

    bucket = load.bucket
    owners = [
        Owner(prefix.strip("/"), owner.gid, owner.uid)
        for owner in config.lake.owners
        for name, _, prefix in [owner.prefix.partition("/")]
        if name == bucket
    ]
    lines = Lines(bucket, owners)
    started = time.monotonic()
    limits = Limits(seconds=LEAST_SECONDS + load.rows / LEAST_ROWS_A_SECOND, temporary=MOST_TEMPORARY)
    rows = 0
    with questions(Lake(config.lake), None, limits) as lake, whole_file(dump.path) as file:
        packer = deflating()
        for batch in lake.sorted_rows(load, NEEDED):
            rows += batch.num_rows
            file.write(packer.compress(lines.of(batch)))
        file.write(packer.flush())
        if rows != load.rows:
            raise VolumeError(
                f"{dump.volume.name}: the lake has {rows:,} of {load.rows:,} rows of {load.identity}",
                "Load the inventory again with --force.",
            )
    pairs = {(owner.gid, f"/{bucket}/{owner.prefix}".rstrip("/")) for owner in owners}
    pairs |= {(gid, f"/{bucket}") for gid in lines.gids}
    with whole_file(dump.path.parent / BASE_DIRECTORIES) as file:
        file.writelines(f"{gid}\t{path}\n".encode() for gid, path in sorted(pairs))
    log.info("%s: %d objects of the lake in %.1f s", dump.volume.name, load.rows, time.monotonic() - started)


def remove_old(folder: Path) -> None:
    """Remove dumps that no job reads any more."""
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                    rmtree(path, ignore_errors=True)
