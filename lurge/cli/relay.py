"""The progress of ranks on a terminal: only the process that started them writes to it.

The output of all ranks comes through one pipe, line by line. Rank 0 adds lines of its own with the progress of each
volume. The starter turns these into bars, and shows all other lines above the bars.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from lurge.display import display

if TYPE_CHECKING:
    from lurge.parallel.coordinator import Watcher

MARK = b"\x1e"
"""The first character of a line about progress. Lines of logs never begin with it: they escape control characters."""

DONE = b"done"
SECONDS_TO_DRAIN = 5
"""Time for the last lines to arrive, if a process that has outlived its job keeps a pipe open."""


class RelayWatcher:
    """Reports the progress of each volume to the starter."""

    def compiled(self, kernels: int, total: int) -> None:
        self._tell("compiled", kernels, total)

    def started(self, volume: str, size: int) -> None:
        self._tell("started", volume, size)

    def advanced(self, volume: str, position: int, lines: int) -> None:
        self._tell("advanced", volume, position, lines)

    def ended(self, volume: str, problem: str | None) -> None:
        self._tell("ended", volume, problem)

    @staticmethod
    def _tell(*event: object) -> None:
        write_mark(json.dumps(event).encode())


def write_mark(text: bytes) -> None:
    """Write a line for the starter in one piece, so that no other line mixes with it."""
    # The starter may have ended.
    with suppress(OSError):
        sys.stderr.flush()
        sys.stderr.buffer.write(MARK + text + b"\n")
        sys.stderr.buffer.flush()


@contextmanager
def tell_starter() -> Iterator[Watcher]:
    """A watcher that reports to the starter, and at the end that the bars can stop."""
    try:
        yield RelayWatcher()
    finally:
        write_mark(DONE)


@contextmanager
def show_ranks(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Show the output of ranks on the terminal, until they end."""
    done = threading.Event()
    threads = []
    if process.stderr:
        threads.append(threading.Thread(target=show_lines, args=(process.stderr, done), daemon=True))
    if process.stdout:
        threads.append(threading.Thread(target=show_result, args=(process.stdout, done), daemon=True))
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(SECONDS_TO_DRAIN)


def show_lines(stream: IO[bytes], done: threading.Event) -> None:
    """Show bars, and above them the lines of all ranks. done: set after the last change of a bar."""
    from rich.text import Text

    from lurge.cli.progress import BarWatcher, bars

    progress = bars()
    watcher = BarWatcher(progress)
    try:
        for line in stream:
            if line.rstrip() == MARK + DONE:
                progress.stop()
                done.set()
            elif not (line.startswith(MARK) and show_event(watcher, line)):
                text = display(line.rstrip(b"\r\n").expandtabs())
                progress.console.print(Text(text), soft_wrap=True)
            elif not progress.live.is_started:
                progress.start()
    finally:
        progress.stop()
        done.set()


def show_event(watcher: Watcher, line: bytes) -> bool:
    """Show a line about progress. False if it cannot be read, because it was cut."""
    try:
        name, *arguments = json.loads(line.removeprefix(MARK))
        getattr(watcher, name)(*arguments)
    except (ValueError, TypeError, AttributeError, KeyError):
        return False
    return True


def show_result(stream: IO[bytes], done: threading.Event) -> None:
    """Show the standard output of ranks, below the bars."""
    held = b""
    while part := stream.read1(65536):  # type: ignore[attr-defined]  # a pipe has a buffer
        held += part
        if done.is_set():
            show_bytes(held)
            held = b""
    done.wait(SECONDS_TO_DRAIN)
    show_bytes(held)


def show_bytes(text: bytes) -> None:
    # The reader may have gone away.
    with suppress(OSError):
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
