"""Scanning a tree into a dump, with several processes and as many stats in flight as it pays.

The dump has wrstat's newest form and name (docs/formats.md). Processes rather than threads: on a fast local disk the
interpreter is the limit, and on a slow network file system a waiting process costs as little as a waiting thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from pathlib import Path

from isal import isal_zlib

from lurge.atomic import open_new, remove_abandoned, sync_folder, unfinished_folder
from lurge.errors import OutputError, ScanError
from lurge.source.naming import folder_mount
from lurge.source.quote import quote_inside
from lurge.source.walk import PROBLEMS_KEPT, Hole, Terms, Walked, Walker, format_line

COMPRESSION_LEVEL = 1
GZIP = 31
MOST_PROCESSES = 32
MOST_TEXT_WAITING = 1 << 28
BUSY_ENOUGH = 0.7
"""Where walking processes compute for a smaller share of their time, they wait for the file system: more may walk."""

log = logging.getLogger(__name__)


@dataclass
class ScanResult:
    """What a scan met and where its dump lies."""

    dump: Path
    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    processes: int = 0


class _Place:
    """Where a hole is in the text, and what filled it."""

    def __init__(self, hole: Hole) -> None:
        self.hole = hole
        self.pieces: list[bytes | _Place] | None = None


class _Text:
    """Pieces of text in the order of the tree, handed on as far as they are complete."""

    def __init__(self, root: _Place) -> None:
        self._stack: list[Iterator[bytes | _Place]] = [iter([root])]
        self._blocked: _Place | None = None

    def ready(self) -> Iterator[bytes]:
        """Text that can be written now."""
        while self._stack:
            piece = self._blocked or next(self._stack[-1], None)
            self._blocked = None
            if piece is None:
                self._stack.pop()
            elif isinstance(piece, bytes):
                yield piece
            elif piece.pieces is None:
                self._blocked = piece
                return
            else:
                self._stack.append(iter(piece.pieces))
                piece.pieces = []


def _serve(connection: Connection, others: list[Connection], terms: Terms) -> None:
    """A walking process: units in, results out, until the other end closes.

    others: the parent's ends, of which a forked process has copies that would keep them open.
    """
    for other in others:
        other.close()
    # The parent hears of an interrupt from the keyboard, too, and dismisses this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            connection.send(Walker(terms).walk(connection.recv()))


class _Crew:
    """Processes that walk; only as many of them get work as keep the machine busy."""

    def __init__(self, terms: Terms, processes: int) -> None:
        self._idle: list[Connection] = []
        self._processes: list[ForkProcess] = []
        self.working: dict[Connection, _Place] = {}
        for _ in range(processes):
            try:
                self._add(terms)
            except OSError as error:
                if not self._processes:
                    raise ScanError(f"cannot start a process: {error.strerror}") from error
                log.debug("no more than %d processes: %s", len(self._processes), error)
                break
        self._most = min(len(self._processes), len(os.sched_getaffinity(0)))
        self._seconds = self._busy = 0.0

    def _add(self, terms: Terms) -> None:
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, [*self._idle, mine], terms), daemon=True)
        try:
            process.start()
        except OSError:
            mine.close()
            raise
        finally:
            theirs.close()
        self._idle.append(mine)
        self._processes.append(process)

    @property
    def used(self) -> int:
        """How many processes may walk at once by now."""
        return self._most

    def give(self, waiting: list[_Place], text_waiting: int) -> None:
        """Hand out units, the next in the text first; one at a time where much text waits for what is before it."""
        most = self._most if text_waiting < MOST_TEXT_WAITING else 1
        while waiting and self._idle and len(self.working) < most:
            connection, place = self._idle.pop(), waiting.pop()
            connection.send(place.hole)
            self.working[connection] = place

    def finished(self) -> Iterator[tuple[_Place, Walked]]:
        """Units that are done; waits for at least one."""
        for connection in wait(list(self.working)):
            assert isinstance(connection, Connection)
            try:
                walked: Walked = connection.recv()
            except (EOFError, ConnectionError) as error:
                raise ScanError("a scanning process died", "Look for its reason in the system's log.") from error
            self._idle.append(connection)
            self._grow(walked)
            yield self.working.pop(connection), walked

    def _grow(self, walked: Walked) -> None:
        self._seconds += walked.seconds
        self._busy += walked.busy
        if self._seconds > 0.1 * self._most:
            if self._busy < BUSY_ENOUGH * self._seconds and len(self.working) + 1 >= self._most:
                self._most = min(2 * self._most, len(self._processes))
            self._seconds = self._busy = 0.0

    def dismiss(self) -> None:
        for connection in [*self._idle, *self.working]:
            connection.close()
        for process in self._processes:
            process.terminate()
            process.join()


def scan_tree(
    root: Path,
    directory: Path,
    *,
    cross: bool = False,
    blocks: bool = False,
    processes: int = MOST_PROCESSES,
    advanced: Callable[[int], None] = lambda entries: None,
) -> ScanResult:
    """Walk `root` into a dump below `directory`; it appears there whole or not at all.

    cross: walk other file systems mounted below, too. blocks: sizes as blocks * 512 instead of apparent. processes: the
    most that walk at once. advanced: told how many entries were met so far. Raises ScanError where the root cannot be
    read, OutputError where the dump cannot be written.
    """
    started, now = time.monotonic(), datetime.now(UTC)
    top = b"/" + os.path.abspath(os.fsencode(root)).lstrip(b"/")
    try:
        status = os.stat(top)
        os.scandir(top).close()
    except OSError as error:
        raise ScanError(f"cannot scan {root}: {error.strerror}") from error
    terms = Terms(None if cross else status.st_dev, blocks)
    mount = folder_mount(os.fsdecode(top))
    result = ScanResult(directory, entries=1)
    crew = _Crew(terms, processes)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        remove_abandoned(directory)
        with unfinished_folder(directory) as temporary:
            folder = temporary / "dump"
            folder.mkdir()
            with open_new(folder / "stats.gz") as file:
                packer = isal_zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
                file.write(packer.compress(format_line(quote_inside(top.rstrip(b"/") + b"/"), status, blocks)))
                for text in _walk_all(crew, _Place(Hole(top)), result, advanced):
                    file.write(packer.compress(text))
                file.write(packer.flush())
                file.flush()
                os.fsync(file.fileno())
            sync_folder(folder)
            result.dump = publish(folder, directory, mount, now) / "stats.gz"
            sync_folder(directory)
    except OSError as error:
        raise OutputError.at(error.filename or directory, error) from error
    finally:
        crew.dismiss()
    result.processes = crew.used
    result.seconds = time.monotonic() - started
    return result


def publish(folder: Path, directory: Path, mount: str, started: datetime) -> Path:
    """Give a finished dump its name: that of the second it was started in, or of the first later one that is free."""
    while True:
        published = directory / f"{started:%Y%m%d-%H%M%S}_{mount}"
        try:
            return folder.rename(published)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        started += timedelta(seconds=1)


def _walk_all(crew: _Crew, root: _Place, result: ScanResult, advanced: Callable[[int], None]) -> Iterator[bytes]:
    """The text of the whole tree, in order."""
    waiting = [root]
    received = written = 0
    text = _Text(root)
    while waiting or crew.working:
        crew.give(waiting, received - written)
        for place, walked in crew.finished():
            place.pieces = [_Place(piece) if isinstance(piece, Hole) else piece for piece in walked.pieces]
            received += sum(len(piece) for piece in walked.pieces if isinstance(piece, bytes))
            waiting += [piece for piece in reversed(place.pieces) if isinstance(piece, _Place)]
            result.entries += walked.entries
            result.vanished += walked.vanished
            result.unreadable += walked.unreadable
            result.problems += walked.problems[: PROBLEMS_KEPT - len(result.problems)]
        advanced(result.entries)
        for piece in text.ready():
            written += len(piece)
            yield piece
