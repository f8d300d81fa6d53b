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
from lurge.source.finding import dump_of
from lurge.source.naming import FULLWIDTH_SOLIDUS

BLOCK_RECORDS = 1000
USUAL_DEPTH = 5
"""Of /lustre/<volume>/<realm>/<kind>/<name>."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A dump as it was given. name: of its volume or mount point, if its name says that."""

    file: Path
    directory: Path
    day: date
    name: str | None


def make_base_directories(
    dumps: Iterable[Path], depths: BasedirsConfig, volumes: Sequence[Volume], output: Path | None, watcher: Watcher
) -> tuple[Path, int]:
    """Write the .basedirs file for some dumps; returns it and its number of lines.

    volumes: those that are configured, which tell where the tree of a dump begins. output: a file, or a directory in
    which it is named by the newest dump's date; None: where the first dump is published. Raises StreamError where a
    dump cannot be read, OutputError where the file cannot be written.
    """
    published = [locate(dump) for dump in dumps]
    compile_kernels(["parsing", "basedirs"], watcher.compiled)
    found: set[tuple[int, bytes]] = set()
    for dump in published:
        directories = base_directories_of(dump, depths, volumes, watcher)
        if not directories and dump.name is None:
            raise UsageError(f"{dump.file}: no record of a file in it", "Give dumps in one of wrstat's forms.")
        found |= directories
    newest = max(dump.day for dump in published)
    target = output or published[0].directory
    if target.is_dir():
        target = target / f"{newest:%Y%m%d}.basedirs"
    return target, write_base_directories(target, sorted(found))


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
        # All files lie in one directory: what is below it was cut away.
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


def write_base_directories(target: Path, found: Sequence[tuple[int, bytes]]) -> int:
    """Write (gid, directory) pairs; returns how many. Raises OutputError."""
    if not found:
        log.warning("no directory of the depth holds a file: the base directories are empty")
    kept = [(gid, path or b"/") for gid, path in found if not re.search(rb"[\r\n]", path)]
    if left_out := sorted({path for _, path in found} - {path for _, path in kept} - {b""}):
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

    Without a date in its name it is dated by its last change. Raises UsageError where there is none.
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
    """The mount point of a dump's volume, as far as its name says it; empty if it does not."""
    if dump.name is None:
        return b""
    if dump.name.startswith(FULLWIDTH_SOLIDUS):
        mount = dump.name.replace(FULLWIDTH_SOLIDUS, "/")
    else:
        mount = mounts.get(dump.name, f"/lustre/{dump.name}")
    return mount.rstrip("/").encode("utf-8", "surrogateescape")
