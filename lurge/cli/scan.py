"""`lurge scan`."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.options import JsonOption, QuietOption, VerboseOption, say, say_json, set_verbosity
from lurge.display import counted, display

SECONDS_BETWEEN_LINES = 30
PROBLEMS_SHOWN = 5
CLEAR_LINE = "\r\x1b[K"

log = logging.getLogger(__name__)


def scan(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Trees to scan.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory to publish the dumps in.")],
    cross: Annotated[bool, typer.Option("--cross", help="Also walk file systems that are mounted below.")] = False,
    disk_usage: Annotated[
        bool, typer.Option("--disk-usage", help="Sizes as blocks * 512 instead of apparent.")
    ] = False,
    processes: Annotated[
        int,
        typer.Option("--processes", metavar="N", min=1, max=512, help="Maximum number of walking processes."),
    ] = 32,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Scan trees into dumps of wrstat's newest format.

    Each tree becomes one dump. Links are not followed, and other file systems are not entered. A dump is published
    whole or not at all.

    Example: lurge scan /usr /home -o dumps
    """
    set_verbosity(quiet, verbose)
    from lurge.pipeline.scan import run_scan

    results = []
    for path in paths:
        with show_entries(path, quiet) as advanced:
            result = run_scan(path, output, cross=cross, blocks=disk_usage, processes=processes, advanced=advanced)
        for problem in result.problems[: None if verbose else PROBLEMS_SHOWN]:
            log.warning("cannot read %s", problem)
        results.append(result)
        if not json and not quiet:
            rate = result.entries / max(result.seconds, 0.001)
            say(
                f"{path}: {counted(result.entries, 'entry', 'entries')} in {result.seconds:.1f} s ({rate:,.0f}/s),"
                f" {result.unreadable:,} unreadable, {result.vanished:,} vanished",
                f"  {result.dump}",
            )
    if json:
        say_json([dataclasses.asdict(result) for result in results])


class EntryCounter:
    """The number of entries so far: on a terminal in place, in a log every 30 seconds."""

    def __init__(self, path: Path, quiet: bool) -> None:
        self._path = path
        self._on_terminal = sys.stderr.isatty() and not quiet
        self._pause = 0.2 if self._on_terminal else SECONDS_BETWEEN_LINES
        self._last = self._started = time.monotonic()

    def __call__(self, entries: int) -> None:
        """Show a new number, unless the last one was shown just now."""
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        progress = f"{counted(entries, 'entry', 'entries')}, {entries / (now - self._started):,.0f}/s"
        if self._on_terminal:
            print(f"{CLEAR_LINE}{on_one_line(self._path, progress)}", end="", file=sys.stderr, flush=True)
        else:
            log.info("%s: %s", self._path, progress)

    def clear(self) -> None:
        """Leave the terminal's line to others."""
        if self._on_terminal:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)


@contextmanager
def show_entries(path: Path, quiet: bool) -> Iterator[EntryCounter]:
    """Show the number of entries until the end of the block."""
    counter = EntryCounter(path, quiet)
    try:
        yield counter
    finally:
        counter.clear()


def on_one_line(path: Path, progress: str) -> str:
    """A path and its progress, at most as wide as the terminal. A long path loses its beginning."""
    room = max(shutil.get_terminal_size().columns - len(progress) - 3, 4)
    name = display(path)
    return f"{name if len(name) <= room else '...' + name[3 - room :]}: {progress}"
