"""Reading a file of events step by step, from where the database says that it was left."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lurge.atomic import sync_folder, whole_file
from lurge.errors import LedgerError, OutputError
from lurge.model.event import Event
from lurge.pipeline.ledger.outcome import FileOutcome
from lurge.source.events.csv_lines import LONGEST_LINE, Line, read_header, read_lines
from lurge.source.events.finding import DONE, REJECTS, SUFFIX
from lurge.store.database import Database
from lurge.store.ledger.files import FileProgress, Step, after, rejected_lines

LINES_AT_ONCE = 5000
BYTES_AT_ONCE = 4 << 20
NO_FILE = "Give whole files of events that this user may read."

log = logging.getLogger(__name__)

Take = Callable[[FileProgress, Sequence[Line], Step], None]
"""Takes the valid lines of a step, and stores it."""


class Identity(NamedTuple):
    """The file that a descriptor has open, to tell it from one that took its name."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def open_events(path: Path, follow: bool = True) -> BufferedReader:
    """Open a file of events. follow: also through a link. Raises LedgerError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        return open(descriptor, "rb")  # noqa: PTH123  a descriptor, which the caller closes
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}", NO_FILE) from error


def digest_of(file: BufferedReader) -> str:
    """Return the SHA-256 of a file's content, and leave it at its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


def read_on(file: BinaryIO, progress: FileProgress, outcome: FileOutcome, take: Take) -> FileProgress:
    """Read a file to its end; returns its progress. Raises what `take` raises."""
    try:
        names = read_header(file)
    except LedgerError as error:
        file.seek(0)
        first = file.readline(LONGEST_LINE).rstrip(b"\r\n")
        size = file.seek(0, os.SEEK_END)
        reasons: tuple[str, ...] = (f"{error.message}: no line of the file is read",)
        outcome.reject(1, reasons)
        step = Step(size, 1, 0, [(1, reasons, first)], has_ended=True)
        take(progress, (), step)
        return after(progress, step)
    number = 2
    if progress.position:
        file.seek(progress.position)
        number = progress.line_count + 1
    for lines in portions(read_lines(file, names, number)):
        valid = [line for line in lines if isinstance(line.event, Event)]
        rejected = [(line.number, line.event, line.input) for line in lines if not isinstance(line.event, Event)]
        step = Step(lines[-1].end, lines[-1].number, len(valid), rejected)
        take(progress, valid, step)
        progress = after(progress, step)
        outcome.sent += len(valid)
        for bad, reasons, _ in rejected:
            outcome.reject(bad, reasons)
    step = Step(progress.position, progress.line_count, 0, (), has_ended=True)
    take(progress, (), step)
    return after(progress, step)


def portions(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Yield lines, many at a time, but not too many bytes of them."""
    some: list[Line] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line.input)
        if len(some) >= LINES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some


def write_rejects(path: Path, file: BinaryIO, database: Database, progress: FileProgress) -> Path | None:
    """Write the lines of a file that are not valid beside it, whole; returns where. Raises OutputError, StoreError.

    Each has the number of the line, the reasons in JSON, and the line itself.
    """
    with database.reading() as connection:
        rejected = dict(rejected_lines(connection, progress))
    if not rejected:
        return None
    target = path.with_name(path.name.removesuffix(SUFFIX) + REJECTS)
    file.seek(0)
    with whole_file(target) as out:
        out.write(b"line,reasons,input\n")
        copy_lines(file, rejected, out)
    return target


def copy_lines(file: BinaryIO, rejected: Mapping[int, str], out: BinaryIO) -> None:
    """Copy lines of a file with their reasons, by number, however long they are."""
    number, is_begin, is_copied = 0, True, False
    while piece := file.readline(LONGEST_LINE):
        if is_begin:
            number += 1
            is_copied = number in rejected
            if is_copied:
                out.write(b'%d,%s,"' % (number, quoted(rejected[number].encode())))
        is_begin = piece.endswith(b"\n")
        if is_copied:
            out.write((piece.rstrip(b"\r\n") if is_begin else piece).replace(b'"', b'""'))
            if is_begin:
                out.write(b'"\n')
    if is_copied and not is_begin:
        out.write(b'"\n')


def quoted(text: bytes) -> bytes:
    """Return a field of CSV."""
    return b'"' + text.replace(b'"', b'""') + b'"'


def put_away(path: Path, identity: Identity) -> None:
    """Move a file to where the done ones are, unless another one took its name. Raises OutputError."""
    folder = path.parent / DONE
    try:
        folder.mkdir(exist_ok=True)
        target = free_name(folder / path.name)
        path.rename(target)
        if Identity.of(target.stat()) != identity:
            log.warning("%s was replaced while it was read: the new one is read later", path)
            if path.exists():
                log.warning("%s holds one of them", target)
            else:
                target.rename(path)
        sync_folder(folder)
    except FileNotFoundError:
        log.warning("%s was removed while it was read", path)
    except OSError as error:
        raise OutputError.at(folder, error) from error


def free_name(path: Path) -> Path:
    """Return a path that no file has, close to the given one."""
    number = 1
    target = path
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name.removesuffix(SUFFIX)}.{number}{SUFFIX}")
    return target
