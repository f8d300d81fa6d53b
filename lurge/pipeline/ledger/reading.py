"""Reading a file of events step by step, from where the database says that it was left."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from lurge.atomic import sync_folder, whole_file
from lurge.display import display
from lurge.errors import LedgerError, OutputError
from lurge.model.event import Event
from lurge.pipeline.ledger.outcome import FileOutcome
from lurge.source.backlog import csv_field
from lurge.source.events.csv_lines import LONGEST_LINE, Line, read_header, read_lines
from lurge.source.events.finding import DONE, REJECTS, SUFFIX
from lurge.store.database import Database
from lurge.store.ledger.files import FileProgress, Step, after, begin, give_up, rejected_lines

LINES_AT_ONCE = 5000
BYTES_AT_ONCE = 4 << 20
NO_FILE = "Give whole files of events that this user may read."

log = logging.getLogger(__name__)

Take = Callable[[FileProgress, Sequence[Line], Step], None]
"""Takes the valid lines of a step, and stores it."""


T = TypeVar("T")


class Insist(Protocol):
    """Does some work, and again while the database is away."""

    def __call__(self, work: Callable[[], T]) -> T:
        """Return the result of `work`. Raises StoreError, Stopped."""


class Identity(NamedTuple):
    """The file that a descriptor has open, to tell it from one that took its name."""

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity in a status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class FileChanged(Exception):  # noqa: N818  its content is given up
    """A file changed while it was read."""


def open_events(path: Path, follow: bool = True) -> BufferedReader:
    """Open a file of events. follow: also through a link. Raises LedgerError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise LedgerError(f"{path} is a link", "Give the file itself.") from error
        raise LedgerError(f"{path}: {error.strerror}", NO_FILE) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LedgerError(f"{path} is not a file", NO_FILE)
    return open(descriptor, "rb")  # noqa: PTH123  a descriptor, which the caller closes


def digest_of(file: BufferedReader) -> str:
    """Return the SHA-256 of a file's content, and leave it at its beginning."""
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


class Reading:
    """A file while it is read.

    take: takes the progress, the valid lines of a step, and the step, which it stores. It is called if the file did not
    change. insist: does what needs the database.
    """

    def __init__(self, path: Path, file: BufferedReader, database: Database, take: Take, insist: Insist) -> None:
        self.path, self.file, self._insist = path, file, insist
        self.identity = Identity.of(os.fstat(file.fileno()))
        self.content = digest_of(file)
        self._database, self._take = database, take

    def read(self, outcome: FileOutcome, topic: str | None) -> bool:
        """Read the file from where it was left, unless its content is known; returns False if it changed meanwhile.

        topic: where its events are sent; None if they are applied at once. Raises what `take` and `insist` raise.
        """

        def begun() -> FileProgress:
            with self._database.writing() as connection:
                return begin(connection, self.content, display(self.path), self.identity.size, topic)

        progress = self._insist(begun)
        outcome.is_known = progress.has_ended
        if progress.has_ended:
            return True

        def abandon() -> None:
            with self._database.writing() as connection:
                give_up(connection, progress)

        try:
            self._to_its_end(progress, outcome)
        except FileChanged:
            self._insist(abandon)
            return False
        return True

    def _to_its_end(self, progress: FileProgress, outcome: FileOutcome) -> None:
        """Read on from where the file was left. Raises FileChanged, and what `take` and `insist` raise."""
        for lines, step in self._steps(progress, outcome):
            self._check()
            self._take(progress, lines, step)
            progress = after(progress, step)
        if digest_of(self.file) != self.content:
            raise FileChanged
        # If the process dies before the last step, the lines that were rejected are written again.
        if progress.rejected:
            self._insist(lambda: self._write_rejects(progress))
        self._take(progress, (), Step(progress.position, progress.line_count, 0, (), has_ended=True))

    def _steps(self, progress: FileProgress, outcome: FileOutcome) -> Iterator[tuple[Sequence[Line], Step]]:
        """Yield the valid lines of each step, and what to store. A file without its names is one line that is wrong."""
        self.file.seek(0)
        try:
            names = read_header(self.file)
        except LedgerError as error:
            if not progress.line_count:
                self.file.seek(0)
                first = self.file.readline(LONGEST_LINE).rstrip(b"\r\n")
                reasons: tuple[str, ...] = (f"{error.message}: no line of the file is read",)
                outcome.reject(1, reasons)
                yield (), Step(self.identity.size, 1, 0, [(1, reasons, first)])
            return
        if progress.position:
            self.file.seek(progress.position)
        for lines in portions(read_lines(self.file, names, progress.line_count + 1 if progress.position else 2)):
            valid = [line for line in lines if isinstance(line.event, Event)]
            rejected = [(line.number, line.event, line.input) for line in lines if not isinstance(line.event, Event)]
            yield valid, Step(lines[-1].end, lines[-1].number, len(valid), rejected)
            outcome.sent += len(valid)
            for number, reasons, _ in rejected:
                outcome.reject(number, reasons)

    def _check(self) -> None:
        """Raise FileChanged if somebody wrote into the file since its content was known."""
        if Identity.of(os.fstat(self.file.fileno())) != self.identity:
            raise FileChanged

    def _write_rejects(self, progress: FileProgress) -> None:
        """Write the lines that are not valid beside the file, whole.

        Each has the number of the line, the reasons in JSON, and the line itself. Raises StoreError.
        """
        stem = self.path.name.removesuffix(SUFFIX)
        target = self.path.with_name(stem + REJECTS)
        if target.exists():
            # It may be that of another file, which had the same name.
            target = self.path.with_name(f"{stem}.{self.content[:8]}{REJECTS}")
        self.file.seek(0)
        try:
            with self._database.reading() as connection, whole_file(target) as out:
                out.write(b"line,reasons,input\n")
                copy_lines(self.file, rejected_lines(connection, progress), out)
        except OutputError as error:
            log.warning("%s: the lines are among `lurge ledger errors` only", error.message)


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


def copy_lines(file: BinaryIO, rejected: Iterator[tuple[int, str]], out: BinaryIO) -> None:
    """Copy some lines of a file, however long they are, with their reasons. rejected: their numbers, in order."""
    number, is_begin, is_copied = 0, True, False
    wanted, reasons = next(rejected, (0, ""))
    while piece := file.readline(LONGEST_LINE):
        if is_begin:
            number += 1
            is_copied = number == wanted
            if is_copied:
                out.write(b'%d,%s,"' % (number, csv_field(reasons.encode())))
                wanted, reasons = next(rejected, (0, ""))
        is_begin = piece.endswith(b"\n")
        if is_copied:
            out.write((piece.rstrip(b"\r\n") if is_begin else piece).replace(b'"', b'""'))
            if is_begin:
                out.write(b'"\n')
    if is_copied and not is_begin:
        out.write(b'"\n')


def put_away(path: Path, identity: Identity) -> None:
    """Move a file to where the done ones are, unless another one took its name. Raises OutputError."""
    folder = path.parent / DONE
    try:
        if Identity.of(path.lstat()) != identity:
            log.warning("%s was replaced while it was read: the new one is read later", path)
            return
        folder.mkdir(exist_ok=True)
        target = free_name(folder / path.name)
        path.rename(target)
        if Identity.of(target.lstat()) != identity:
            # It was replaced just now.
            target.rename(free_name(path))
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
