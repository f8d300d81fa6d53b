"""Finding the dumps of volumes, and the base directories that go with them.

The names of dumps and of .basedirs files: docs/formats.md.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from lurge.errors import BaseDirectoriesError, DumpNotFound, VolumeError, permission_advice
from lurge.model.dump import Dump, Volume
from lurge.source.naming import folder_mount, missing_dump

FLAT_NAME = re.compile(r"(\d{8})_(.+)\.[^.]+\.[^.]+\.stats\.gz", re.ASCII | re.DOTALL)
FOLDER_NAME = re.compile(r"(\d{8})-\d{6}_(.+)", re.ASCII | re.DOTALL)
LEADING_DATE = re.compile(r"(\d{8})(?!\d)", re.ASCII)

log = logging.getLogger(__name__)


def parse_date(text: str) -> date | None:
    """The date in YYYYMMDD; None if it is not a date."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def dump_of(path: Path) -> tuple[str, date, Path] | None:
    """(volume name or mount, record date, file) from the name of an entry of the dump directory.

    None if the name is not the name of a dump. The file need not exist.
    """
    match = FLAT_NAME.fullmatch(path.name)
    file = path
    if not match:
        match = FOLDER_NAME.fullmatch(path.name)
        file = path / "stats.gz"
    record_date = parse_date(match[1]) if match else None
    return (match[2], record_date, file) if match and record_date else None


def find_dumps(directory: Path, volume: Volume) -> Iterator[Dump]:
    """Every dump of `volume`, newest first. Dumps of the same date: the most recently modified first.

    Raises VolumeError if the directory cannot be read.
    """
    names = {volume.name, folder_mount(volume.mount)}
    candidates = []
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        raise VolumeError(f"{volume.name}: {directory}: {error.strerror}", "Correct its permissions.") from error
    for path in entries:
        parsed = dump_of(path)
        if parsed and parsed[0] in names:
            _, record_date, file = parsed
            status = status_of(file)
            if status:
                dump = Dump(volume, file, record_date, status.st_size, status.st_mtime_ns)
                candidates.append((record_date, status.st_mtime_ns, str(file), dump))
    for *_, dump in sorted(candidates, key=lambda candidate: candidate[:3], reverse=True):
        yield dump


def status_of(file: Path) -> os.stat_result | None:
    """The status of a regular file; None if it is missing, not a regular file, or (with a warning) inaccessible."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("%s is ignored: %s", file, error.strerror)
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def from_the_future(dump: Dump, today: date) -> bool:
    """Warn and return True if a dump is dated more than a day ahead: more than any time zone explains.

    Such a dump would hide every later dump of its volume.
    """
    if (dump.record_date - today).days <= 1:
        return False
    log.warning("%s is ignored: it is dated in the future", dump.path)
    return True


def usable_dumps(directory: Path, volume: Volume, today: date) -> Iterator[Dump]:
    """Every dump of `volume` that is not from the future, newest first. Raises VolumeError as `find_dumps`."""
    return (dump for dump in find_dumps(directory, volume) if not from_the_future(dump, today))


def is_new_enough(dump: Dump, today: date, max_days_ago: int) -> bool:
    """True if a dump may be read as the newest state of its volume."""
    return (today - dump.record_date).days <= max_days_ago


def newest_dump(directory: Path, volume: Volume, today: date, max_days_ago: int) -> Dump:
    """The dump to read tonight. Raises DumpNotFound if no dump is new enough."""
    newest = next(usable_dumps(directory, volume, today), None)
    if newest is None:
        names = [parsed[0] for path in directory.iterdir() if (parsed := dump_of(path))]
        raise DumpNotFound(*missing_dump(directory, volume, names))
    if not is_new_enough(newest, today, max_days_ago):
        raise too_old(newest, today, max_days_ago)
    return newest


def too_old(newest: Dump, today: date, max_days_ago: int) -> DumpNotFound:
    """The error that the newest dump of a volume is too old."""
    volume, age = newest.volume, (today - newest.record_date).days
    writer = "a new inventory was loaded" if volume.inventory else "wrstat ran for the volume"
    return DumpNotFound(
        f"{volume.name}: the newest dump, of {newest.record_date}, is older than {max_days_ago} days",
        f"Check that {writer}, or write in [dumps]: max_days_ago = {age}",
    )


def find_base_directories(directory: Path, record_date: date) -> Path:
    """The .basedirs file for a dump: the newest whose date is not after the dump's, else the newest.

    A file without a date in its name is used only if no file has one. Raises BaseDirectoriesError without any file.
    """
    candidates = []
    for path in directory.glob("*.basedirs"):
        status = status_of(path)
        if path.name.startswith(".") or not status:
            continue
        match = LEADING_DATE.match(path.name)
        day = (parse_date(match[1]) if match else None) or date.min
        candidates.append((day > date.min, day <= record_date, day, status.st_mtime_ns, path))
    if not candidates:
        raise BaseDirectoriesError(
            f"no .basedirs file in {directory}", "Create one with `lurge basedirs`, or set dumps.base_directories."
        )
    return max(candidates)[-1]


def read_base_directories(path: Path) -> list[tuple[int, bytes]]:
    """(gid, absolute path without a trailing slash) of every line `gid<TAB>path`.

    Blank lines are skipped. Raises BaseDirectoriesError, with the line number, for a malformed line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BaseDirectoriesError(f"{path}: {error.strerror}", permission_advice(error)) from error
    pairs = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        if line.endswith(b"\r"):
            raise BaseDirectoriesError(
                f"{path}:{number}: the line ends in a carriage return, which would become part of the path"
            )
        gid, tab, directory = line.partition(b"\t")
        if not tab or not directory.startswith(b"/") or not re.fullmatch(rb"-?[0-9]{1,18}", gid):
            raise BaseDirectoriesError(f"{path}:{number}: expected gid<TAB>absolute path")
        pairs.append((int(gid), directory.rstrip(b"/") or b"/"))
    if not pairs:
        log.warning("%s contains no base directory: every record will be unattributed", path)
    return pairs
