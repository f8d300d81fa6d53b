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
from lurge.errors import StoreError

if TYPE_CHECKING:
    from lurge.config import Config
    from lurge.pipeline.outcome import Outcome
    from lurge.store.database import Database
    from lurge.stream.comm import Comm
    from lurge.stream.coordinator import Watcher

log = logging.getLogger(__name__)


def report(
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
    """Read the newest dump of every volume, build all reports, store them and write the TSVs.

    Alone it uses every core of this machine; under mpirun it uses the ranks it is given.

    Example: lurge report --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)

    def coordinate(comm: Comm | None) -> int:
        # Only rank 0 pays for what it needs to start.
        from lurge.pipeline.report import run_report

        def recipe(site: Config, database: Database, watcher: Watcher) -> Outcome:
            return run_report(site, database, comm, watcher, force, split)

        return show_stored(config, json, quiet, recipe)

    command = arguments("report", config, force=force, split=split, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks(command, ranks, "lurge.pipeline.report", coordinate)


def backfill(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    since: Annotated[
        datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], help="Leave out dumps that are older.")
    ] = None,
    most: Annotated[int | None, typer.Option("--most", min=1, help="Store so many dates at most.")] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Store the history of older dumps, oldest first: all but the newest of each volume that are not stored yet.

    What was stored before an interruption is not read again. Quotas are those of today, marked so.

    Example: lurge backfill --config lurge.toml --since 2024-01-01
    """
    set_verbosity(quiet, verbose)
    day = since.date() if since else None

    def coordinate(comm: Comm | None) -> int:
        from lurge.pipeline.backfill import run_backfill

        def recipe(site: Config, database: Database, watcher: Watcher) -> Outcome:
            return run_backfill(site, database, comm, watcher, day, most)

        return show_stored(config, json, quiet, recipe)

    command = arguments("backfill", config, since=day, most=most, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks(command, ranks, "lurge.pipeline.backfill", coordinate)


def split(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write the lines of every group over all volumes into a file of its own, for TreeServe; copy them to S3 if asked.

    Example: lurge split --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)

    def coordinate(comm: Comm | None) -> int:
        from lurge.cli.progress import watch
        from lurge.cli.summary import outcome_json, split_lines
        from lurge.config import load_config
        from lurge.pipeline.split import run_split

        with watch(quiet) as watcher:
            outcome = run_split(load_config(config, needs=["dumps"]), comm, watcher)
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
) -> int:
    """Run a recipe that stores, print what came of it; returns the exit status."""
    from lurge.cli.progress import watch
    from lurge.cli.summary import outcome_json, summary_lines
    from lurge.config import load_config
    from lurge.store.database import Database

    config = load_config(config_file, needs=["dumps"])
    database = Database(config.database)
    with watch(quiet) as watcher:
        outcome = recipe(config, database, watcher)
    if json:
        say_json(outcome_json(outcome, str(database)))
    elif not quiet:
        try:
            say(*database.retrying(lambda: summary_lines(database, outcome)))
        except StoreError as error:
            # What was stored is stored.
            log.warning("the summary cannot be shown: %s", error.message)
    return outcome.exit_status
