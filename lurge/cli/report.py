"""`lurge report`, `lurge split` and `lurge backfill`: the jobs that read dumps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lurge.cli.options import ConfigOption, JsonOption, QuietOption, VerboseOption, say, say_json, set_verbosity
from lurge.cli.ranks import RanksOption, arguments, run_on_ranks
from lurge.errors import StoreError, UsageError

if TYPE_CHECKING:
    from lurge.config import Config
    from lurge.parallel.comm import Comm
    from lurge.parallel.coordinator import Watcher
    from lurge.pipeline.outcome import Outcome
    from lurge.store.database import Database

log = logging.getLogger(__name__)


def report(
    volumes: Annotated[
        list[str] | None, typer.Argument(metavar="VOLUME", help="Volumes to read; else all of the configuration.")
    ] = None,
    config: ConfigOption = None,
    ranks: RanksOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is stored of the same record date.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Split the dumps by group, too, as `lurge split` does.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read the newest dump of every volume, and store all reports.

    If VOLUMEs are given, only these are read; the TSVs hold what is stored of every configured volume. Alone it uses
    every core of this machine; under mpirun it uses the ranks it is given.

    Example: lurge report --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)
    if split and volumes:
        raise UsageError("--split needs all volumes: a group's lines are those of every volume")
    wanted = frozenset(volumes or ())

    def coordinate(comm: Comm | None) -> int:
        # Only rank 0 pays for what it needs to start.
        from lurge.pipeline.report import Wanted, run_report

        def recipe(site: Config, database: Database, watcher: Watcher) -> Outcome:
            return run_report(site, database, comm, watcher, Wanted(wanted, force, split))

        return show_stored(config, json, quiet, recipe)

    command = arguments("report", config, force=force, split=split, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks([*command, "--", *sorted(wanted)], ranks, "lurge.pipeline.report", coordinate)


def backfill(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="DATE", formats=["%Y-%m-%d"], help="Leave out dumps that are older."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Store at most N dates.")] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Store the history that older dumps hold, oldest first.

    All dumps are read but the newest of each volume, and those that are stored already: an interrupted backfill goes
    on. Quotas are those of today, marked so.

    Example: lurge backfill --config lurge.toml --since 2024-01-01
    """
    set_verbosity(quiet, verbose)
    day = since.date() if since else None

    def coordinate(comm: Comm | None) -> int:
        from lurge.pipeline.backfill import run_backfill

        def recipe(site: Config, database: Database, watcher: Watcher) -> Outcome:
            return run_backfill(site, database, comm, watcher, day, limit)

        older = f" since {day}" if day else ""
        nothing = f"Nothing to do: no older dump{older} that is not stored. `lurge report` stores the newest."
        return show_stored(config, json, quiet, recipe, nothing)

    command = arguments("backfill", config, since=day, limit=limit, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks(command, ranks, "lurge.pipeline.backfill", coordinate)


def split(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write the lines of each group into a file, for TreeServe.

    A file has the lines of all volumes. They are copied to S3 if the configuration says so.

    Example: lurge split --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)

    def coordinate(comm: Comm | None) -> int:
        from lurge.cli.progress import watch
        from lurge.cli.reconciliation import split_lines
        from lurge.cli.summary import outcome_json
        from lurge.config import load_config
        from lurge.pipeline.split import run_split

        with watch(quiet) as watcher:
            outcome = run_split(load_config(config, needs=["dumps"]), comm, watcher)
        if quiet and not json:
            log_advice(outcome)
        if json:
            say_json(outcome_json(outcome))
        elif not quiet:
            say(*split_lines(outcome))
        return outcome.exit_status

    command = arguments("split", config, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks(command, ranks, "lurge.pipeline.split", coordinate)


def show_stored(
    config_file: Path | None,
    json: bool,
    quiet: bool,
    recipe: Callable[[Config, Database, Watcher], Outcome],
    nothing: str = "",
) -> int:
    """Run a recipe that stores, print what came of it; returns the exit status. nothing: said if that is all."""
    from lurge.cli.progress import watch
    from lurge.cli.summary import outcome_json, stored_json, summary_lines
    from lurge.config import load_config
    from lurge.store.database import Database

    config = load_config(config_file, needs=["dumps"])
    database = Database(config.database)
    with watch(quiet) as watcher:
        outcome = recipe(config, database, watcher)
    result = outcome_json(outcome, str(database)) if json else {}
    try:
        if json:
            result |= database.retrying(lambda: stored_json(database, outcome))
        elif quiet:
            log_advice(outcome)
        elif not outcome.volumes:
            say(nothing)
        else:
            say(*database.retrying(lambda: summary_lines(database, outcome)))
    except StoreError as error:
        # What was stored is stored.
        log.warning("the summary cannot be shown: %s", error.message)
    if json:
        say_json(result)
    return outcome.exit_status


def log_advice(outcome: Outcome) -> None:
    """Log what to do about each failure, which was logged when it happened: nobody sees the summary."""
    for volume in outcome.volumes:
        if volume.error:
            log.warning("%s: -> %s", volume.volume, volume.error.advice)
    if outcome.error:
        log.warning("-> %s", outcome.error.advice)
