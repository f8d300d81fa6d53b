"""Publishing the lines of every group over all volumes, with what TreeServe needs beside them (docs/formats.md)."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import IO, NamedTuple

from lurge.errors import OutputError, SplitError
from lurge.model.split import GroupLines

UNFINISHED, REPLACED = ".unfinished", ".replaced"
NO_PRIMARY_GROUP = 65534
COPY_BYTES = 1 << 22
LONGEST_STEM = 240
"""Bytes; with what follows it, a file's name may have 255."""

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
    lock = lock_directory(directory)
    folder = directory / f".parts{UNFINISHED}"
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def lock_directory(directory: Path) -> IO[str]:
    """The file that holds the directory's lock as long as it is open; what a killed split left is tidied."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("a")
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
    """Remove what a killed split left, and put back what it was about to replace."""
    for path in directory.glob(f".*{UNFINISHED}"):
        shutil.rmtree(path)
    for path in directory.glob(f".*{REPLACED}"):
        published = directory / path.name.removeprefix(".").removesuffix(REPLACED)
        if published.exists():
            shutil.rmtree(path)
        else:
            path.rename(published)


def publish(
    directory: Path, day: date, volumes: Sequence[SplitVolume], groups: Mapping[int, str], users: Mapping[int, str]
) -> Path:
    """Put the parts of all volumes together as `directory`/YYYYMMDD, whole or not at all; returns it.

    volumes: in the order in which their lines follow each other. groups, users: the names of gids and uids. An older
    folder of the date is replaced. Raises OutputError.
    """
    target = directory / f"{day:%Y%m%d}"
    unfinished = directory / f".{target.name}{UNFINISHED}"
    replaced = directory / f".{target.name}{REPLACED}"
    try:
        unfinished.mkdir()
        rows = [
            write_group(unfinished, groups[gid], gid, volumes)
            for gid in sorted({one.gid for volume in volumes for one in volume.groups}, key=lambda gid: groups[gid])
        ]
        lines = (f"{row.group}\t{row.build_seconds}\t{row.memory_bytes}\n" for row in rows)
        write_lines(unfinished / "index.txt", [INDEX_HEADER, *lines])
        write_lines(unfinished / "groupfile", (f"{plain(name)}:x:{gid}:\n" for gid, name in sorted(groups.items())))
        write_lines(
            unfinished / "passwdfile",
            (f"{plain(name)}:x:{uid}:{NO_PRIMARY_GROUP}:::\n" for uid, name in sorted(users.items())),
        )
        if target.exists():
            target.rename(replaced)
        unfinished.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OutputError.at(target, error) from error
    return target


def write_group(folder: Path, name: str, gid: int, volumes: Sequence[SplitVolume]) -> IndexRow:
    """Write one group's file: a file of gzip members is what its parts are, one after another."""
    stem = file_stem(name)
    lines = directories = 0
    with (folder / f"{stem}.dat.gz").open("xb") as whole:
        for volume in volumes:
            for found in volume.groups:
                if found.gid == gid:
                    lines += found.lines
                    directories += found.directories
                    with (volume.folder / f"{gid}.gz").open("rb") as part:
                        shutil.copyfileobj(part, whole, COPY_BYTES)
        whole.flush()
        os.fsync(whole.fileno())
    return index_row(stem, lines, directories)


def plain(name: str) -> str:
    """A name as getent's format holds it, whose fields end at a colon."""
    return re.sub(r"[:\n]", "_", name)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
