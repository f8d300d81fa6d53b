"""Publishing the lines of every group over all volumes, with what TreeServe needs beside them (docs/formats.md)."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import IO, NamedTuple

from lurge.atomic import UNFINISHED, open_lock, open_new, refuse_foreign_link, sync_all, sync_folder, unfinished_name
from lurge.errors import OutputError, SplitError
from lurge.model.split import GroupLines

REPLACED = ".replaced"
LEFT = re.compile(r"\.(.+?)(?:\.[0-9a-f]{16})?(\.unfinished|\.replaced)", re.DOTALL)
"""The name of a folder that is not finished, or was about to be replaced: whose it is, which of both."""

NO_PRIMARY_GROUP = 65534
COPY_BYTES = 1 << 22
WARNED_OF = 5
LONGEST_STEM = 240
"""Bytes; with what follows it, a file's name may have 255."""

INDEX, GROUP_FILE, USER_FILE = "index.txt", "groupfile", "passwdfile"
LINES = ".dat.gz"
INDEX_HEADER = "Group\tBuild Time (sec)\tMemory Use(bytes)\n"
BYTES_A_NODE = (
    (Fraction(8, 1000), 12000),
    (Fraction(15, 1000), 10000),
    (Fraction(2, 100), 9000),
    (Fraction(4, 100), 8500),
    (Fraction(1), 8000),
)
"""By the share of a group's lines that directories are at most."""

log = logging.getLogger(__name__)


class IndexRow(NamedTuple):
    """What TreeServe should reckon with for one group."""

    group: str
    build_seconds: int
    memory_bytes: int


@dataclass(frozen=True)
class SplitVolume:
    """The parts of one volume: a folder with a file for each gid, and what is in them."""

    folder: Path
    groups: Sequence[GroupLines]


def is_published_name(name: str) -> bool:
    """Whether a file of this name is one that `publish` writes."""
    return name.endswith(LINES) or name in (INDEX, GROUP_FILE, USER_FILE)


def index_row(group: str, lines: int, directories: int) -> IndexRow:
    """The row of a group of so many lines (at least one)."""
    share = Fraction(directories, lines)
    bytes_a_node = next(size for most, size in BYTES_A_NODE if share <= most)
    return IndexRow(group, 100 + lines // 11000, (2 * directories + 50) * bytes_a_node)


def file_stem(group: str) -> str:
    """A group's name as a file's: %XX for what no file's name or index line holds, and for a dot at its start."""
    stem = re.sub(r"[%/\0-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", group)
    stem = re.sub(r"^\.", "%2E", stem)
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= LONGEST_STEM:
        return stem
    # Where a file's name is too long, a digest tells apart what begins alike.
    digest = hashlib.sha256(encoded).hexdigest()[:32]
    return f"{encoded[: LONGEST_STEM - 40].decode(errors='ignore')}%-{digest}"


@contextmanager
def sole_split(directory: Path) -> Iterator[Path]:
    """A folder for parts below `directory`, removed at the end.

    Raises SplitError where another split is under way, OutputError where the directory cannot be written.
    """
    with lock_directory(directory):
        folder = directory / unfinished_name("parts")
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise OutputError.at(directory, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def lock_directory(directory: Path) -> IO[bytes]:
    """The file that holds the directory's lock as long as it is open; what a killed split left is tidied."""
    try:
        refuse_foreign_link(directory)
        directory.mkdir(parents=True, exist_ok=True)
        lock = open_lock(directory / ".lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tidy(directory)
        except BlockingIOError as error:
            lock.close()
            raise SplitError(f"another split writes into {directory}", "Wait for it.") from error
    except OSError as error:
        raise OutputError.at(directory, error) from error
    return lock


def tidy(directory: Path) -> None:
    """Remove what a killed split of this user left, and put back what it was about to replace."""
    for path in list(directory.iterdir()):
        found = LEFT.fullmatch(path.name)
        status = path.lstat()
        if not found or not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            continue
        published = directory / found[1]
        if found[2] == REPLACED and not published.exists():
            path.rename(published)
        else:
            shutil.rmtree(path, ignore_errors=True)


def publish(
    directory: Path, day: date, volumes: Sequence[SplitVolume], groups: Mapping[int, str], users: Mapping[int, str]
) -> Path:
    """Put the parts of all volumes together as `directory`/YYYYMMDD, whole or not at all; returns it.

    volumes: in the order in which their lines follow each other. groups, users: the names of gids and uids. An older
    folder of the date is replaced. Raises OutputError.
    """
    target = directory / f"{day:%Y%m%d}"
    unfinished = directory / unfinished_name(target.name)
    replaced = unfinished.with_name(unfinished.name.removesuffix(UNFINISHED) + REPLACED)
    try:
        unfinished.mkdir()
        parts = parts_by_group(volumes)
        rows = [write_group(unfinished, groups[gid], parts[gid]) for gid in sorted(parts, key=lambda gid: groups[gid])]
        warn_of_spaces([row.group for row in rows])
        lines = (f"{row.group}\t{row.build_seconds}\t{row.memory_bytes}\n" for row in rows)
        write_lines(unfinished / INDEX, [INDEX_HEADER, *lines])
        write_lines(unfinished / GROUP_FILE, (f"{plain(name)}:x:{gid}:\n" for gid, name in sorted(groups.items())))
        write_lines(
            unfinished / USER_FILE,
            (f"{plain(name)}:x:{uid}:{NO_PRIMARY_GROUP}:::\n" for uid, name in sorted(users.items())),
        )
        sync_all(unfinished)
        if target.exists() or target.is_symlink():
            target.rename(replaced)
        unfinished.rename(target)
        sync_folder(directory)
        remove(replaced)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OutputError.at(target, error) from error
    return target


def warn_of_spaces(groups: Sequence[str]) -> None:
    """Report groups in whose line of the index TreeServe's starter does not find the name."""
    if spaced := [group for group in groups if re.search(r"\s", group)]:
        shown = ", ".join(spaced[:WARNED_OF]) + (", ..." if len(spaced) > WARNED_OF else "")
        log.warning("TreeServe's starter finds no group whose name holds a space: no server for %s", shown)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, or a link, but not the place where it leads to."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


class Part(NamedTuple):
    """A group's lines of one volume: the file, and how many there are."""

    file: Path
    lines: GroupLines


def parts_by_group(volumes: Sequence[SplitVolume]) -> dict[int, list[Part]]:
    """The parts of each gid, in the order of the volumes."""
    found: dict[int, list[Part]] = {}
    for volume in volumes:
        for lines in volume.groups:
            found.setdefault(lines.gid, []).append(Part(volume.folder / f"{lines.gid}.gz", lines))
    return found


def write_group(folder: Path, name: str, parts: Sequence[Part]) -> IndexRow:
    """Write one group's file: a file of gzip members is what its parts are, one after another."""
    stem = file_stem(name)
    with open_new(folder / f"{stem}{LINES}") as whole:
        for path, _ in parts:
            with path.open("rb") as part:
                shutil.copyfileobj(part, whole, COPY_BYTES)
    return index_row(stem, sum(part.lines.lines for part in parts), sum(part.lines.directories for part in parts))


def plain(name: str) -> str:
    """A name as getent's format holds it, whose fields end at a colon."""
    return re.sub(r"[:\n]", "_", name)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with open_new(path) as file:
        file.writelines(line.encode("utf-8", "surrogateescape") for line in lines)
