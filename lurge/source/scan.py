"""Scanning a tree into a dump, with several processes.

The number of processes that walk at once grows while they wait for the file system. The dump has wrstat's newest format
and name (docs/formats.md). Processes are used, not threads: on a fast local disk the interpreter is the bottleneck, and
on a slow network file system a waiting process costs as little as a waiting thread.
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
from lurge.source.walk import PROBLEMS_KEPT, ScanOptions, UnitResult, Walker, WorkUnit, format_line

COMPRESSION_LEVEL = 1
GZIP = 31
MAX_PROCESSES = 32
MAX_TEXT_WAITING = 1 << 28
MIN_BUSY_SHARE = 0.7
"""Share of CPU time in wall time. Below it, processes wait for the file system, and more of them may walk at once."""

log = logging.getLogger(__name__)


@dataclass
class ScanResult:
    """The path of the dump, and counts of a scan. problems: text of the first few."""

    dump: Path
    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    processes: int = 0


class _Slot:
    """The place of a work unit in the text, and its result: None until the unit is done."""

    def __init__(self, unit: WorkUnit) -> None:
        self.unit = unit
        self.pieces: list[bytes | _Slot] | None = None


class _OrderedText:
    """Pieces of text in the order of the tree."""

    def __init__(self, root: _Slot) -> None:
        self._stack: list[Iterator[bytes | _Slot]] = [iter([root])]
        self._blocked: _Slot | None = None

    def ready(self) -> Iterator[bytes]:
        """Text that can be written now: up to the first unit that is not done."""
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


def _serve(connection: Connection, parent_ends: list[Connection], options: ScanOptions) -> None:
    """Run a walking process: receive units and send results until the other end closes.

    parent_ends: the parent's ends of all pipes. The forked process has copies, which would keep the pipes open.
    """
    for end in parent_ends:
        end.close()
    # The parent receives an interrupt from the keyboard, too, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            connection.send(Walker(options).walk(connection.recv()))


class _ProcessPool:
    """Processes that walk. Only as many of them get work as keep the machine busy."""

    def __init__(self, options: ScanOptions, processes: int) -> None:
        self._idle: list[Connection] = []
        self._processes: list[ForkProcess] = []
        self.working: dict[Connection, _Slot] = {}
        for _ in range(processes):
            try:
                self._add(options)
            except OSError as error:
                if not self._processes:
                    raise ScanError(f"cannot start a process: {error.strerror}") from error
                log.debug("only %d processes could be started: %s", len(self._processes), error)
                break
        self._limit = min(len(self._processes), len(os.sched_getaffinity(0)))
        self._seconds = self._busy = 0.0

    def _add(self, options: ScanOptions) -> None:
        context = multiprocessing.get_context("fork")
        parent_end, child_end = context.Pipe()
        process = context.Process(target=_serve, args=(child_end, [*self._idle, parent_end], options), daemon=True)
        try:
            process.start()
        except OSError:
            parent_end.close()
            raise
        finally:
            child_end.close()
        self._idle.append(parent_end)
        self._processes.append(process)

    @property
    def used(self) -> int:
        """The current limit of processes that walk at once."""
        return self._limit

    def give(self, waiting: list[_Slot], text_waiting: int) -> None:
        """Hand out units, the next in the text first.

        text_waiting: bytes of text that cannot be written yet. At MAX_TEXT_WAITING, units run one at a time.
        """
        limit = self._limit if text_waiting < MAX_TEXT_WAITING else 1
        while waiting and self._idle and len(self.working) < limit:
            connection, slot = self._idle.pop(), waiting.pop()
            connection.send(slot.unit)
            self.working[connection] = slot

    def finished(self) -> Iterator[tuple[_Slot, UnitResult]]:
        """Units that are done, with their results. Waits for at least one."""
        for connection in wait(list(self.working)):
            assert isinstance(connection, Connection)
            try:
                walked: UnitResult = connection.recv()
            except (EOFError, ConnectionError) as error:
                raise ScanError("a scanning process died", "Look for the reason in the system's log.") from error
            self._idle.append(connection)
            self._grow(walked)
            yield self.working.pop(connection), walked

    def _grow(self, walked: UnitResult) -> None:
        self._seconds += walked.seconds
        self._busy += walked.busy
        if self._seconds > 0.1 * self._limit:
            if self._busy < MIN_BUSY_SHARE * self._seconds and len(self.working) + 1 >= self._limit:
                self._limit = min(2 * self._limit, len(self._processes))
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
    processes: int = MAX_PROCESSES,
    advanced: Callable[[int], None] = lambda entries: None,
) -> ScanResult:
    """Walk `root` and write a dump below `directory`, where it appears whole or not at all.

    cross: also walk other file systems that are mounted below `root`. blocks: write sizes as blocks * 512 instead of
    apparent sizes. processes: maximum number that walk at once. advanced: called with the number of entries so far.
    Raises ScanError if the root cannot be read, OutputError if the dump cannot be written.
    """
    started, now = time.monotonic(), datetime.now(UTC)
    top = b"/" + os.path.abspath(os.fsencode(root)).lstrip(b"/")
    try:
        status = os.stat(top)
        os.scandir(top).close()
    except OSError as error:
        raise ScanError(f"cannot scan {root}: {error.strerror}") from error
    options = ScanOptions(None if cross else status.st_dev, blocks)
    mount = folder_mount(os.fsdecode(top))
    result = ScanResult(directory, entries=1)
    pool = _ProcessPool(options, processes)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        remove_abandoned(directory)
        with unfinished_folder(directory) as temporary:
            folder = temporary / "dump"
            folder.mkdir()
            with open_new(folder / "stats.gz") as file:
                packer = isal_zlib.compressobj(COMPRESSION_LEVEL, wbits=GZIP)
                file.write(packer.compress(format_line(quote_inside(top.rstrip(b"/") + b"/"), status, blocks)))
                for text in _walk_all(pool, _Slot(WorkUnit(top)), result, advanced):
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
        pool.dismiss()
    result.processes = pool.used
    result.seconds = time.monotonic() - started
    return result


def publish(folder: Path, directory: Path, mount: str, started: datetime) -> Path:
    """Rename a finished dump to its final name, with the time at which the scan started.

    If another dump has the name, the time of the first later second that is free.
    """
    while True:
        published = directory / f"{started:%Y%m%d-%H%M%S}_{mount}"
        try:
            return folder.rename(published)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        started += timedelta(seconds=1)


def _walk_all(pool: _ProcessPool, root: _Slot, result: ScanResult, advanced: Callable[[int], None]) -> Iterator[bytes]:
    """The text of the whole tree, in order. Adds up `result` and calls `advanced`."""
    waiting = [root]
    received = written = 0
    text = _OrderedText(root)
    while waiting or pool.working:
        pool.give(waiting, received - written)
        for slot, walked in pool.finished():
            slot.pieces = [_Slot(piece) if isinstance(piece, WorkUnit) else piece for piece in walked.pieces]
            received += sum(len(piece) for piece in walked.pieces if isinstance(piece, bytes))
            waiting += [piece for piece in reversed(slot.pieces) if isinstance(piece, _Slot)]
            result.entries += walked.entries
            result.vanished += walked.vanished
            result.unreadable += walked.unreadable
            result.problems += walked.problems[: PROBLEMS_KEPT - len(result.problems)]
        advanced(result.entries)
        for piece in text.ready():
            written += len(piece)
            yield piece
