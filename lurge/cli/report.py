"""`lurge report`, `lurge split` and `lurge backfill`: the jobs that read dumps."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lurge.cli.options import ConfigOption, JsonOption, QuietOption, VerboseOption, set_verbosity
from lurge.cli.ranks import RanksOption, arguments, run_on_ranks
from lurge.errors import StoreError, UsageError

if TYPE_CHECKING:
    from lurge.config import Config
    from lurge.parallel.comm import Comm
    from lurge.parallel.coordinator import Watcher
    from lurge.pipeline.volumes import VolumesOutcome
    from lurge.store.database import Database

log = logging.getLogger(__name__)

T = TypeVar("T")


def report(
    volumes: Annotated[
        list[str] | None, typer.Argument(metavar="VOLUME", help="Volumes to read (default: all of the configuration).")
    ] = None,
    config: ConfigOption = None,
    ranks: RanksOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace stored reports of the same record date.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Also split the dumps by group, as `lurge split` does.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read the newest dump of every volume, and store all reports.

    If VOLUMEs are given, only these are read; the TSVs hold all configured volumes as stored. Without mpirun it uses
    every core of this machine; under mpirun it uses the ranks that were started.

    Example: lurge report --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)
    if split and volumes:
        raise UsageError("--split needs all volumes: a group's lines are those of every volume")

    def coordinate(comm: Comm | None) -> int:
        # Only rank 0 pays for the imports.
        from lurge.pipeline.report import Wanted, run_report

        wanted = Wanted(frozenset(volumes or ()), force, split)

        def run(site: Config, database: Database, watcher: Watcher) -> VolumesOutcome:
            return run_report(site, database, comm, watcher, wanted)

        return show_stored(config, json, quiet, run)

    command = arguments("report", config, force=force, split=split, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks([*command, "--", *sorted(set(volumes or ()))], ranks, "lurge.pipeline.report", coordinate)


def backfill(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="DATE", formats=["%Y-%m-%d"], help="Leave out older dumps."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Store at most N dates.")] = None,
    tree: Annotated[
        datetime | None,
        typer.Option(
            "--tree", metavar="DATE", formats=["%Y-%m-%d"], help="Only build the tree indexes of this date, again."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Store the history from older dumps, oldest first.

    All dumps are read except the newest of each volume and those that are stored already, so an interrupted backfill
    can be continued. Quotas are those of today, and marked as such. With --tree, the database is not touched: the
    dumps of that date, the newest included, are read for their tree indexes alone.

    Example: lurge backfill --config lurge.toml --since 2024-01-01
    """
    set_verbosity(quiet, verbose)
    day = since.date() if since else None
    tree_day = tree.date() if tree else None
    if tree_day and (since or limit):
        raise UsageError("--tree is for one date: leave out --since and --limit")

    def coordinate(comm: Comm | None) -> int:
        if tree_day:
            return rebuild(config, comm, tree_day, json, quiet)
        from lurge.pipeline.backfill import run_backfill

        def run(site: Config, database: Database, watcher: Watcher) -> VolumesOutcome:
            return run_backfill(site, database, comm, watcher, day, limit)

        older = f" since {day}" if day else ""
        nothing = f"Nothing to do: no older dump{older} that is not stored. `lurge report` stores the newest."
        return show_stored(config, json, quiet, run, nothing)

    options = {"since": day, "limit": limit, "tree": tree_day, "json": json, "quiet": quiet, "verbose": verbose}
    command = arguments("backfill", config, **options)
    run_on_ranks(command, ranks, "lurge.pipeline.backfill", coordinate)


def rebuild(config: Path | None, comm: Comm | None, day: date, json: bool, quiet: bool) -> int:
    """Build the tree indexes of a date, print the outcome, and return its exit status."""
    from lurge.cli.job import show_job
    from lurge.cli.reconciliation import tree_lines
    from lurge.config import load_config
    from lurge.pipeline.rebuild import run_rebuild

    site = load_config(config, needs=["dumps"])
    return show_job(lambda watcher: run_rebuild(site, comm, watcher, day), json, quiet, tree_lines)


def split(
    config: ConfigOption = None,
    ranks: RanksOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Write the lines of each group into a file, for TreeServe.

    Each file has the lines of all volumes. Files are copied to S3 if split.s3 is configured.

    Example: lurge split --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)

    def coordinate(comm: Comm | None) -> int:
        from lurge.cli.job import show_job
        from lurge.cli.reconciliation import split_lines
        from lurge.config import load_config
        from lurge.pipeline.split import run_split

        site = load_config(config, needs=["dumps"])
        return show_job(lambda watcher: run_split(site, comm, watcher), json, quiet, split_lines)

    command = arguments("split", config, json=json, quiet=quiet, verbose=verbose)
    run_on_ranks(command, ranks, "lurge.pipeline.split", coordinate)


def show_stored(
    config_file: Path | None,
    json: bool,
    quiet: bool,
    run: Callable[[Config, Database, Watcher], VolumesOutcome],
    nothing: str = "",
) -> int:
    """Run a job that stores reports, print its outcome, and return its exit status.

    nothing: printed if no volume was to be read.
    """
    from lurge.cli.job import show_job
    from lurge.cli.summary import stored_json, summary_lines
    from lurge.config import load_config
    from lurge.store.database import Database

    config = load_config(config_file, needs=["dumps"])
    database = Database(config.database)

    def lines(outcome: VolumesOutcome) -> list[str]:
        if not outcome.volumes:
            return [nothing]
        return from_database(lambda: summary_lines(database, outcome), [])

    def as_json(outcome: VolumesOutcome) -> dict[str, Any]:
        own = outcome.as_json() | {"database": str(database)}
        unknown: dict[str, Any] = {}
        return own | from_database(lambda: stored_json(database, outcome), unknown)

    def from_database(read: Callable[[], T], without: T) -> T:
        try:
            return database.retrying(read)
        except StoreError as error:
            # The job has done its work all the same.
            log.warning("the summary cannot be shown: %s", error.message)
            return without

    return show_job(lambda watcher: run(config, database, watcher), json, quiet, lines, as_json)
