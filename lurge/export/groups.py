"""Publishing the lines of every group over all volumes, with the other files of TreeServe (docs/formats.md)."""

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
LEFTOVER = re.compile(r"\.(.+?)(?:\.[0-9a-f]{16})?(\.unfinished|\.replaced)", re.DOTALL)
"""Names of folders that a killed split left behind. Groups: the name of the published folder, and the suffix."""

NO_PRIMARY_GROUP = 65534
COPY_BYTES = 1 << 22
MAX_WARNED = 5
LONGEST_STEM = 240
"""Maximum length of a stem in bytes. With its suffix, a file's name may have 255."""

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
"""Pairs of (maximum share of directories in a group's lines, bytes of memory for a node)."""

log = logging.getLogger(__name__)


class IndexRow(NamedTuple):
    """The estimated build time and memory of TreeServe for one group."""

    group: str
    build_seconds: int
    memory_bytes: int


@dataclass(frozen=True)
class SplitVolume:
    """The parts of one volume. folder: contains a file for each gid. groups: the numbers of their lines."""

    folder: Path
    groups: Sequence[GroupLines]


def is_published_name(name: str) -> bool:
    """True for the names of files that `publish` writes."""
    return name.endswith(LINES) or name in (INDEX, GROUP_FILE, USER_FILE)


def index_row(group: str, lines: int, directories: int) -> IndexRow:
    """The row of a group. lines: at least 1."""
    share = Fraction(directories, lines)
    bytes_a_node = next(size for limit, size in BYTES_A_NODE if share <= limit)
    return IndexRow(group, 100 + lines // 11000, (2 * directories + 50) * bytes_a_node)


def file_stem(group: str) -> str:
    """The name of a group's file, without its suffix.

    Written as %XX: a dot at the start, and characters that cannot be in a file name or in a line of the index.
    """
    stem = re.sub(r"[%/\0-\x1f\x7f]", lambda match: f"%{ord(match[0]):02X}", group)
    stem = re.sub(r"^\.", "%2E", stem)
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= LONGEST_STEM:
        return stem
    # A digest keeps long names apart that begin alike.
    digest = hashlib.sha256(encoded).hexdigest()[:32]
    return f"{encoded[: LONGEST_STEM - 40].decode(errors='ignore')}%-{digest}"


@contextmanager
def sole_split(directory: Path) -> Iterator[Path]:
    """Lock `directory` and yield a new folder in it for parts, which is removed at the end.

    Raises SplitError if another split is running, OutputError if the directory cannot be written.
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
    """Lock the directory, and remove the leftovers of killed splits. Closing the returned file ends the lock."""
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
    """Remove the leftovers of a killed split of this user, and restore a folder that it was about to replace."""
    for path in list(directory.iterdir()):
        match = LEFTOVER.fullmatch(path.name)
        status = path.lstat()
        if not match or not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            continue
        published = directory / match[1]
        if match[2] == REPLACED and not published.exists():
            path.rename(published)
        else:
            shutil.rmtree(path, ignore_errors=True)


def publish(
    directory: Path, day: date, volumes: Sequence[SplitVolume], groups: Mapping[int, str], users: Mapping[int, str]
) -> Path:
    """Combine the parts of all volumes in the folder `directory`/YYYYMMDD, which appears whole or not at all.

    volumes: in the order of their lines in the files. groups, users: names by gid and by uid. An existing folder of the
    same date is replaced. Returns the folder. Raises OutputError.
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
    """Warn about groups with a space in their name: TreeServe's starter splits lines of the index at spaces."""
    if spaced := [group for group in groups if re.search(r"\s", group)]:
        shown = ", ".join(spaced[:MAX_WARNED]) + (", ..." if len(spaced) > MAX_WARNED else "")
        log.warning("TreeServe's starter does not find groups with a space in their name: no server for %s", shown)


def remove(path: Path) -> None:
    """Remove a folder with its contents, or a link, but not the target of the link."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


class Part(NamedTuple):
    """The lines of a group on one volume: their file and their number."""

    file: Path
    lines: GroupLines


def parts_by_group(volumes: Sequence[SplitVolume]) -> dict[int, list[Part]]:
    """The parts of each gid, in the order of the volumes."""
    parts: dict[int, list[Part]] = {}
    for volume in volumes:
        for lines in volume.groups:
            parts.setdefault(lines.gid, []).append(Part(volume.folder / f"{lines.gid}.gz", lines))
    return parts


def write_group(folder: Path, name: str, parts: Sequence[Part]) -> IndexRow:
    """Write a group's file by concatenating its parts, which are gzip members."""
    stem = file_stem(name)
    with open_new(folder / f"{stem}{LINES}") as file:
        for path, _ in parts:
            with path.open("rb") as part:
                shutil.copyfileobj(part, file, COPY_BYTES)
    return index_row(stem, sum(part.lines.lines for part in parts), sum(part.lines.directories for part in parts))


def plain(name: str) -> str:
    """A name in getent's format, without colons and newlines, which would end its field."""
    return re.sub(r"[:\n]", "_", name)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with open_new(path) as file:
        file.writelines(line.encode("utf-8", "surrogateescape") for line in lines)
