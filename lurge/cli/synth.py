"""`lurge synth`."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.options import QuietOption, VerboseOption, say, set_verbosity
from lurge.display import counted
from lurge.errors import OutputError, UsageError
from lurge.model.lake import Format

DAYS_OF_WORKS = 90
"""Days that a backlog of works goes back, at least."""


def synth(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Directory to write the world in.")],
    volumes: Annotated[int, typer.Option("--volumes", metavar="N", min=1, max=99, help="Number of volumes.")] = 2,
    records: Annotated[
        int, typer.Option("--records", metavar="N", min=1, help="Approximate number of records in each volume.")
    ] = 100_000,
    era: Annotated[
        list[str] | None,
        typer.Option(
            "--era",
            metavar="ERA",
            help="mpistat, 5.0, 5.1, 5.2, 6.0 or 6.4; if repeated, volumes take turns (default: 6.4).",
        ),
    ] = None,
    dates: Annotated[int, typer.Option("--dates", metavar="N", min=1, max=99, help="Number of days of dumps.")] = 1,
    newest: Annotated[
        datetime | None,
        typer.Option("--newest", metavar="DATE", formats=["%Y-%m-%d"], help="The newest date; else today."),
    ] = None,
    works: Annotated[
        int | None, typer.Option("--works", metavar="N", min=1, help="Make N works in states instead of volumes.")
    ] = None,
    buckets: Annotated[
        int | None, typer.Option("--buckets", metavar="N", min=1, max=99, help="Make inventories of N buckets instead.")
    ] = None,
    events: Annotated[
        int | None, typer.Option("--events", metavar="N", min=1, help="Make N events of the ledger instead.")
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", metavar="F", help="CSV, ORC or Parquet; if repeated, buckets take turns."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Equal seeds make equal worlds.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Write into a directory that is not empty.")] = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make up volumes: dumps, names, quotas and a lurge.toml.

    Example: lurge synth -o world --records 1000000 --era 5.0 --era 6.4
    """
    set_verbosity(quiet, verbose)
    from lurge.source.synth.write import STYLES, World, make_world

    eras = tuple(era or ("6.4",))
    for name in eras:
        if name not in STYLES:
            raise UsageError(f"--era {name}: unknown era", f"The eras are {', '.join(STYLES)}.")
    if not force and holds_files(output):
        raise UsageError(f"{output} is not empty", "Give a new directory, or --force to write into this one.")
    if works:
        make_site_of_works(output, works, dates, (newest or datetime.now(UTC)).date(), seed, quiet)
        return
    if buckets:
        make_site_of_buckets(
            output, buckets, records, dates, (newest or datetime.now(UTC)).date(), formats, seed, quiet
        )
        return
    if events:
        make_files_of_events(output, events, (newest or datetime.now(UTC)).date(), seed, quiet)
        return
    world = World(
        seed=seed,
        volumes=tuple(f"scratch{101 + number}" for number in range(volumes)),
        records=records,
        eras=eras,
        dates=dates,
        newest=(newest or datetime.now(UTC)).date(),
    )
    started = time.monotonic()
    total = 0
    for path, written in make_world(world, output):
        total += written
        if not quiet:
            say(f"{counted(written, 'record')}: {path}")
    if not quiet:
        seconds = time.monotonic() - started
        say(f"{counted(total, 'record')} in {seconds:.1f} s ({total / seconds:,.0f}/s); try:")
        say(f"  lurge report --config {output / 'lurge.toml'}")


def make_site_of_works(output: Path, count: int, dates: int, newest: date, seed: int, quiet: bool) -> None:
    """Make works, and say how to go on. Raises OutputError."""
    from lurge.source.synth.works import make_works

    try:
        for path in make_works(output, count, max(dates, DAYS_OF_WORKS), newest, seed):
            if not quiet:
                say(str(path))
    except OSError as error:
        raise OutputError.at(output, error) from error
    if not quiet:
        say("try:", f"  lurge works gather --config {output / 'lurge.toml'}")


def make_site_of_buckets(
    output: Path,
    count: int,
    records: int,
    dates: int,
    newest: date,
    formats: list[Format] | None,
    seed: int,
    quiet: bool,
) -> None:
    """Make inventories, and say how to go on. Raises OutputError."""
    from lurge.source.synth.inventories import Buckets, make_buckets

    started = time.monotonic()
    wanted = Buckets(count, records, dates, newest, tuple(formats or Format), seed)
    total = 0
    try:
        for path, written in make_buckets(output, wanted):
            total += written
            if not quiet:
                say(f"{counted(written, 'row')}: {path}")
    except OSError as error:
        raise OutputError.at(output, error) from error
    if not quiet:
        seconds = time.monotonic() - started
        say(f"{counted(total, 'row')} in {seconds:.1f} s ({total / seconds:,.0f}/s); try:")
        say(f"  lurge lake load --config {output / 'lurge.toml'}")


def make_files_of_events(output: Path, count: int, newest: date, seed: int, quiet: bool) -> None:
    """Make events, and say how to go on. Raises OutputError."""
    from lurge.source.synth.events import make_events

    try:
        for path, written in make_events(output, count, newest, seed):
            if not quiet:
                say(f"{counted(written, 'line')}: {path}")
    except OSError as error:
        raise OutputError.at(output, error) from error
    if not quiet:
        say("try:", f"  lurge ledger apply {output / 'incoming'} --config {output / 'lurge.toml'}")


def holds_files(directory: Path) -> bool:
    """True if a directory exists and is not empty. Raises OutputError if it cannot be read."""
    try:
        return any(directory.iterdir())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OutputError.at(directory, error) from error
