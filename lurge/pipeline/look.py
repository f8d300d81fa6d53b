"""Looking at one tree without configuration or database: scan it, index it, and open the index."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from lurge.aggregate.volume import Pass, make_results
from lurge.aggregate.warm import TREE, compile_kernels
from lurge.config.filetypes import BUILT_IN_FILETYPES
from lurge.errors import VolumeError
from lurge.model.dump import Dump, Volume
from lurge.model.paths import PathAliases, shown
from lurge.model.rules import Rules
from lurge.model.tree import GENERAL_FILETYPES
from lurge.parallel.blocks import OpenDump
from lurge.source.scan import ScanResult, scan_tree
from lurge.store.tree.build import TreeIndex
from lurge.store.tree.publish import Names, manifest_of, publish
from lurge.store.tree.read import Index

BLOCK_LINES = 250
FILETYPES = (*BUILT_IN_FILETYPES, *GENERAL_FILETYPES)


@dataclass(frozen=True)
class Look:
    """A tree that was scanned, and its index, which is removed at the end unless it is saved."""

    scan: ScanResult
    index: Index


@contextmanager
def look_at(
    path: Path,
    save: Path | None,
    *,
    cross: bool,
    advanced: Callable[[int], None],
    compiled: Callable[[int, int], None],
) -> Iterator[Look]:
    """Scan and index a tree; the index is in `save`, or in a temporary folder until the end.

    advanced: called with the number of entries so far. compiled: with the kernels that are compiled, and all.
    Raises ScanError, OutputError, VolumeError, TreeError.
    """
    with TemporaryDirectory(prefix="lurge-look-") as temporary:
        folder = Path(temporary)
        scan = scan_tree(path, folder / "dumps", cross=cross, advanced=advanced)
        compile_kernels(("parsing", "attribution", TREE), compiled)
        yield Look(scan, Index(build(path, scan, folder, save or folder / "tree")))


def build(path: Path, scan: ScanResult, folder: Path, target: Path) -> Path:
    """Index the dump of a scan; returns the folder of the index."""
    mount = os.path.abspath(path)
    name = shown(os.fsencode(mount.rpartition("/")[2])).replace("\0", "") or "root"
    day = datetime.now(UTC).date()
    dump = Dump(Volume(name, mount), scan.dump, day, scan.dump.stat().st_size)
    opened = OpenDump(scan.dump)
    rules = Rules(opened.era, dump.time, (), (), BUILT_IN_FILETYPES, (), PathAliases())
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".look-", dir=target) as unfinished:
        aggregate = TreeIndex(Path(unfinished) / "index", mount, FILETYPES)
        volume_pass, sink, lines = Pass(rules, [aggregate]), aggregate.open_sink(), 0
        for batch in opened.batches(BLOCK_LINES):
            volume_pass.add(batch.text, batch.first_line)
            lines += batch.lines
            for portion in volume_pass.take_portions().values():
                sink.add(batch.first_line, batch.lines, portion)
        opened.close()
        export = volume_pass.export()
        export.tallies[aggregate.name] = sink.finish(export.tallies[aggregate.name])
        results = make_results(name, export, rules, [aggregate], lines)
        if results.counts.rejected:
            raise VolumeError(f"{mount}: {results.counts.rejected} entries could not be read back")
        totals = results.of(aggregate)
        names = Names(
            groups={gid: name_of(grp.getgrgid, gid) for gid in totals.gids},
            users={uid: name_of(pwd.getpwuid, uid) for uid in totals.uids},
            filetypes=[filetype.name for filetype in FILETYPES],
        )
        return publish(aggregate.folder, target, manifest_of(dump, totals, names))


def name_of(find: Callable[[int], grp.struct_group | pwd.struct_passwd], number: int) -> str:
    """The name of a group or user on this machine; the number if it has none."""
    try:
        return str(find(number)[0])
    except (KeyError, OverflowError):
        return str(number)
