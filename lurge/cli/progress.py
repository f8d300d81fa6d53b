"""Progress for people: bars on a terminal, a line every 30 seconds in a log."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lurge.cli.relay import tell_starter
from lurge.display import display
from lurge.parallel.launch import TERMINAL_VARIABLE

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lurge.parallel.coordinator import Watcher

SECONDS_BETWEEN_LINES = 30
RATE_WIDTH = len("10,000,000 lines/s")
WIDEST = 100
"""Maximum width of bars, in columns."""

log = logging.getLogger("lurge.progress")


class LogWatcher:
    """Logs the progress of each volume every 30 seconds."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._shown: dict[str, float] = {}

    def compiled(self, kernels: int, total: int) -> None:
        """Say nothing: the log tells when compiling begins and ends."""

    def started(self, volume: str, size: int) -> None:
        self._sizes[volume] = size
        self._began[volume] = self._shown[volume] = time.monotonic()

    def advanced(self, volume: str, position: int, lines: int) -> None:
        now = time.monotonic()
        if now - self._shown[volume] < SECONDS_BETWEEN_LINES:
            return
        self._shown[volume] = now
        seconds = now - self._began[volume]
        left = seconds * (self._sizes[volume] / max(position, 1) - 1)
        log.info(
            "%s: %.0f%%, %s lines, %s lines/s, %.0f s left",
            volume,
            100 * position / max(self._sizes[volume], 1),
            f"{lines:,}",
            f"{lines / seconds:,.0f}",
            max(left, 0),
        )

    def ended(self, volume: str, problem: str | None) -> None:
        if problem:
            log.error("%s", problem)


class BarWatcher:
    """A bar for each volume."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._compiling: TaskID | None = None
        self._began: dict[str, float] = {}

    def compiled(self, kernels: int, total: int) -> None:
        if self._compiling is None:
            self._compiling = self._progress.add_task("compiling", total=total, rate="once")
        self._progress.update(self._compiling, completed=kernels)

    def started(self, volume: str, size: int) -> None:
        self._began[volume] = time.monotonic()
        self._tasks[volume] = self._progress.add_task(display(volume), total=size, rate="")

    def advanced(self, volume: str, position: int, lines: int) -> None:
        rate = lines / max(time.monotonic() - self._began[volume], 0.001)
        self._progress.update(self._tasks[volume], completed=position, rate=f"{rate:,.0f} lines/s")

    def ended(self, volume: str, problem: str | None) -> None:
        if problem:
            self._progress.update(self._tasks[volume], rate="failed")
            self._progress.stop_task(self._tasks[volume])


@contextmanager
def watch(quiet: bool) -> Iterator[Watcher]:
    """A watcher for standard error, or for the process that started this rank."""
    if quiet:
        yield LogWatcher()
    elif os.environ.get(TERMINAL_VARIABLE):
        with tell_starter() as watcher:
            yield watcher
    elif sys.stderr.isatty():
        with bars() as progress:
            yield BarWatcher(progress)
    else:
        yield LogWatcher()


def bars() -> Progress:
    """Bars that fit the terminal. On a narrow one the words beside them get the room."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    console = Console(stderr=True)
    whole = Column(no_wrap=True)
    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        TaskProgressColumn(table_column=whole),
        TextColumn("{task.fields[rate]}", justify="right", table_column=Column(no_wrap=True, width=RATE_WIDTH)),
        TimeRemainingColumn(table_column=whole),
    )
    console.width = min(console.width, WIDEST)
    return Progress(*columns, console=console, expand=True)
