"""Checks of tonight's dumps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from lurge.config import Config
from lurge.errors import BaseDirectoriesError, DumpNotFound, LurgeError
from lurge.model.dump import Volume
from lurge.parallel.blocks import OpenDump
from lurge.pipeline.doctor.finding import Finding, Verdict, failure
from lurge.pipeline.tonight import today, tonights_dump
from lurge.pipeline.work import task_of
from lurge.source.finding import dump_of, read_base_directories


def check_dumps(config: Config) -> Iterator[Finding]:
    """Check that every volume has a dump that is new enough and looks like one, with base directories."""
    if not config.dumps_table:
        advice = "Write [dumps] with directory and volumes; `lurge config init` writes an example."
        yield Finding("dumps", Verdict.WARNING, "there is no table [dumps]: no reports of dumps", advice)
        return
    directory = config.dumps.directory
    if any(not volume.inventory for volume in config.dumps.volumes) and not any(map(dump_of, directory.iterdir())):
        advice = f"Set it to where dumps such as 20240131_{config.dumps.volumes[0].name}.X.Y.stats.gz lie."
        yield Finding("dumps", Verdict.FAILURE, f"dumps.directory: no dumps in {directory}", advice)
        return
    for volume in config.dumps.volumes:
        try:
            yield from check_dump(config, volume)
        except BaseDirectoriesError as error:
            yield failure("dumps", "dumps.base_directories", error)
        except DumpNotFound as error:
            yield failure("dumps", "dumps.volumes", error)
        except LurgeError as error:
            yield failure("dumps", "dumps.directory", error)
        except OSError as error:
            said = f"dumps.directory: {error.filename}: {error.strerror}"
            yield Finding("dumps", Verdict.FAILURE, said, "Correct its permissions.")


def check_dump(config: Config, volume: Volume) -> Iterator[Finding]:
    """Check the newest dump of one volume. Raises LurgeError, OSError."""
    dump = tonights_dump(config, volume)
    chosen = task_of(config, dump).base_directories
    with closing(OpenDump(dump.path)) as opened:
        era = opened.era
    age = (today() - dump.record_date).days
    said = f"{volume.name}: {dump.path}, {age} days old, {dump.size >> 20} MiB, {era}"
    yield Finding("dumps", Verdict.OK, said)
    below = volume.mount.encode().rstrip(b"/") + b"/"
    if not any((path + b"/").startswith(below) for _, path in read_base_directories(chosen)):
        yield Finding(
            "dumps",
            Verdict.WARNING,
            f"{volume.name}: {chosen} names no directory below {volume.mount}, so nothing will be attributed",
            "Name the volume's real mount point in dumps.volumes, or make base directories with `lurge basedirs`.",
        )
