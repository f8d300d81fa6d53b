"""Working out base directories from dumps."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path

from lurge.aggregate.basedirs import DirectoryFinder
from lurge.atomic import remove_abandoned, whole_file
from lurge.display import display
from lurge.errors import UsageError
from lurge.parallel.blocks import OpenDump
from lurge.source.finding import dump_of

BLOCK_RECORDS = 1000

log = logging.getLogger(__name__)


def make_base_directories(
    dumps: Iterable[Path], depth: int, prefixes: Mapping[str, int], output: Path | None
) -> tuple[Path, int]:
    """Write the .basedirs file for some dumps; returns it and its number of lines.

    output: a file, or a directory in which it is named by the newest dump's date; None: where the first dump is
    published. Raises StreamError where a dump cannot be read, OutputError where the file cannot be written.
    """
    finder = DirectoryFinder(depth, prefixes)
    published = [locate(dump) for dump in dumps]
    for file, *_ in published:
        log.info("reading %s", file)
        with closing(OpenDump(file)) as dump:
            for batch in dump.batches(BLOCK_RECORDS):
                finder.add(dump.era, batch.text)
    newest = max(day for *_, day in published)
    target = output or published[0][1]
    if target.is_dir():
        target = target / f"{newest:%Y%m%d}.basedirs"
    found = sorted((row.a, row.name) for row in finder.rows())
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
    lines = [b"%d\t%b\n" % pair for pair in kept]
    remove_abandoned(target.parent)
    with whole_file(target) as file_out:
        file_out.writelines(lines)
    return target, len(lines)


def locate(path: Path) -> tuple[Path, Path, date]:
    """(file, directory it is published in, record date) of a dump given as a file or as its folder."""
    path = path.absolute()
    entry = path.parent if path.name == "stats.gz" else path
    found = dump_of(entry)
    if not found:
        raise UsageError(f"{path}: no dump by its name", "Name dumps as wrstat does; docs/formats.md has the names.")
    return found[2], entry.parent, found[1]
