"""`lurge scan`."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.options import JsonOption, QuietOption, VerboseOption, say, say_json, set_verbosity
from lurge.display import display

SECONDS_BETWEEN_LINES = 30
PROBLEMS_SHOWN = 5

log = logging.getLogger(__name__)


def scan(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Trees to scan.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to publish the dumps in.")],
    cross: Annotated[bool, typer.Option("--cross", help="Walk other file systems mounted below, too.")] = False,
    blocks: Annotated[bool, typer.Option("--blocks", help="Sizes as blocks * 512 instead of apparent.")] = False,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=512, help="The most processes that walk at once.")
    ] = 32,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Walk trees into dumps in wrstat's newest format, a dump for each PATH.

    Links are not followed, other file systems are left alone. A dump is published whole or not at all.

    Example: lurge scan /usr /home -o dumps
    """
    set_verbosity(quiet, verbose)
    from lurge.pipeline.ticket import tool_ticket
    from lurge.source.scan import scan_tree

    results = []
    for path in paths:
        with tool_ticket("scan", "walk", str(path)) as facts, show_entries(path, quiet) as advanced:
            result = scan_tree(path, output, cross=cross, blocks=blocks, processes=processes, advanced=advanced)
            facts.update(entries=result.entries, dump=str(result.dump))
        for problem in result.problems[: None if verbose else PROBLEMS_SHOWN]:
            log.warning("cannot read %s", problem)
        results.append(result)
        if not json and not quiet:
            rate = result.entries / max(result.seconds, 0.001)
            say(
                f"{path}: {result.entries:,} entries in {result.seconds:.1f} s ({rate:,.0f}/s),"
                f" {result.unreadable:,} unreadable, {result.vanished:,} vanished: {result.dump}"
            )
    if json:
        say_json([dataclasses.asdict(result) for result in results])


@contextmanager
def show_entries(path: Path, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how many entries were met: on a terminal in place, in a log now and then."""
    on_terminal = sys.stderr.isatty() and not quiet
    pause = 0.2 if on_terminal else SECONDS_BETWEEN_LINES
    last = started = time.monotonic()

    def advanced(entries: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < pause:
            return
        last = now
        text = f"{path}: {entries:,} entries, {entries / (now - started):,.0f}/s"
        if on_terminal:
            print(f"\r\x1b[K{display(text)}", end="", file=sys.stderr, flush=True)
        else:
            log.info("%s", text)

    yield advanced
    if on_terminal:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
