"""Working out base directories from dumps."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from lurge.aggregate.basedirs import DirectoryFinder
from lurge.aggregate.warm import compile_kernels
from lurge.atomic import remove_abandoned, whole_file
from lurge.config.basedirs import BasedirsConfig
from lurge.display import display
from lurge.errors import UsageError
from lurge.model.dump import Volume
from lurge.parallel.blocks import OpenDump
from lurge.parallel.coordinator import Watcher
from lurge.pipeline.depth import LEVELS, Holder, at_depth, choose_depth, common_directory, depth_of
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import tool_ticket
from lurge.source.finding import dump_of
from lurge.source.naming import FULLWIDTH_SOLIDUS

BASEDIRS = Recipe("basedirs", ("read_dumps",))

BLOCK_RECORDS = 1000
USUAL_DEPTH = 5
"""Of /lustre/<volume>/<realm>/<kind>/<name>."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A dump as it was given. name: that of its volume or mount point, if the dump's name has it."""

    file: Path
    directory: Path
    day: date
    name: str | None


def run_basedirs(
    dumps: Sequence[Path], depths: BasedirsConfig, volumes: Sequence[Volume], output: Path | None, watcher: Watcher
) -> tuple[Path, int]:
    """Make base directories, with a ticket if they are kept; see `make_base_directories`."""
    with open_job(BASEDIRS, tool_ticket(BASEDIRS, str(dumps[0])), watcher=watcher) as job:
        job.state = lambda: "No base directories were written: run the same command again"
        with job.step("read_dumps") as facts:
            path, lines = make_base_directories(dumps, depths, volumes, output, watcher)
            facts.update(directories=lines, file=str(path))
    return path, lines


def make_base_directories(
    dumps: Iterable[Path], depths: BasedirsConfig, volumes: Sequence[Volume], output: Path | None, watcher: Watcher
) -> tuple[Path, int]:
    """Write the .basedirs file for some dumps; returns it and its number of lines.

    volumes: those of the configuration, because a dump's tree begins at its volume's mount point. output: a file, or a
    directory in which the file is named by the newest dump's date; None: the directory of the first dump. Raises
    StreamError if a dump cannot be read, OutputError if the file cannot be written.
    """
    published = [locate(dump) for dump in dumps]
    compile_kernels(["parsing", "basedirs"], watcher.compiled)
    pairs: set[tuple[int, bytes]] = set()
    for dump in published:
        directories = base_directories_of(dump, depths, volumes, watcher)
        if not directories and dump.name is None:
            raise UsageError(f"{dump.file}: no record of a file in it", "Give dumps in one of wrstat's forms.")
        pairs |= directories
    newest = max(dump.day for dump in published)
    target = output or published[0].directory
    if target.is_dir():
        target = target / f"{newest:%Y%m%d}.basedirs"
    return target, write_base_directories(target, sorted(pairs))


def base_directories_of(
    dump: Published, depths: BasedirsConfig, volumes: Sequence[Volume], watcher: Watcher
) -> set[tuple[int, bytes]]:
    """(gid, base directory) of one dump."""
    if depths.depth is not None or depths.prefixes:
        depth = USUAL_DEPTH if depths.depth is None else depths.depth
        finder = DirectoryFinder(depth, dict(depths.prefixes))
        return {(holder.gid, holder.path) for holder in read(dump, finder, watcher)}
    mount = mount_of(dump, {volume.name: volume.mount for volume in volumes})
    depth = depth_of(mount) + LEVELS if mount else USUAL_DEPTH
    while True:
        holders = read(dump, DirectoryFinder(depth, {}, shallow=True), watcher)
        root = common_directory(holder.path for holder in holders)
        if mount and (root + b"/").startswith(mount + b"/"):
            root = mount
        if depth_of(root) + LEVELS <= depth:
            break
        # All files lie in one directory: everything below it was cut away.
        depth = depth_of(root) + LEVELS
    depth = choose_depth(holders, root)
    if holders:
        log.info("%s: base directories %d components below /, or less where files lie above that", dump.file, depth)
    return set(at_depth(holders, depth))


def read(dump: Published, finder: DirectoryFinder, watcher: Watcher) -> list[Holder]:
    """Read a whole dump; returns its directories at the finder's depth."""
    name = dump.name or dump.file.name
    log.info("reading %s", dump.file)
    lines = 0
    with closing(OpenDump(dump.file)) as opened:
        watcher.started(name, dump.file.stat().st_size)
        for batch in opened.batches(BLOCK_RECORDS):
            finder.add(opened.era, batch.text)
            lines += batch.lines
            watcher.advanced(name, opened.position, lines)
    watcher.ended(name, None)
    return [Holder(row.a, row.name, row.counted) for row in finder.rows()]


def write_base_directories(target: Path, pairs: Sequence[tuple[int, bytes]]) -> int:
    """Write (gid, directory) pairs; returns the number of lines. Raises OutputError."""
    if not pairs:
        log.warning("no directory of the depth holds a file: the base directories are empty")
    kept = [(gid, path or b"/") for gid, path in pairs if not re.search(rb"[\r\n]", path)]
    if left_out := sorted({path for _, path in pairs} - {path for _, path in kept} - {b""}):
        log.warning(
            "%d directories have a carriage return or a newline in their names and are left out: they cannot be base"
            " directories; the first is %s",
            len(left_out),
            display(left_out[0]),
        )
    remove_abandoned(target.parent)
    with whole_file(target) as out:
        out.writelines(b"%d\t%b\n" % pair for pair in kept)
    return len(kept)


def locate(path: Path) -> Published:
    """A dump given as a file of any name or as the folder that it is in.

    Without a date in its name it is dated by its last change. Raises UsageError if there is no dump.
    """
    path = path.absolute()
    entry = path.parent if path.name == "stats.gz" else path
    if named := dump_of(entry):
        name, day, file = named
        return Published(file, entry.parent, day, name)
    try:
        file = path / "stats.gz" if path.is_dir() else path
        modified = file.stat().st_mtime
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", "Give dumps: files, or the folders that hold stats.gz."
        ) from error
    return Published(file, entry.parent, datetime.fromtimestamp(modified, UTC).date(), None)


def mount_of(dump: Published, mounts: Mapping[str, str]) -> bytes:
    """The mount point of a dump's volume, by the dump's name; empty if the name does not have it."""
    if dump.name is None:
        return b""
    if dump.name.startswith(FULLWIDTH_SOLIDUS):
        mount = dump.name.replace(FULLWIDTH_SOLIDUS, "/")
    else:
        mount = mounts.get(dump.name, f"/lustre/{dump.name}")
    return mount.rstrip("/").encode("utf-8", "surrogateescape")
