"""`lurge report`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lurge.cli.options import ConfigOption, JsonOption, QuietOption, VerboseOption, say, set_verbosity
from lurge.errors import LurgeError

if TYPE_CHECKING:
    from lurge.stream.comm import Comm


def report(
    config: ConfigOption = None,
    ranks: Annotated[
        int | None, typer.Option("-n", "--ranks", min=1, help="Start mpiexec with so many ranks on this machine.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is stored of the same record date.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Read the newest dump of every volume, build all reports, store them and write the TSVs.

    Alone it uses every core of this machine; under mpirun it uses the ranks it is given.

    Example: lurge report --config lurge.toml -n 4
    """
    set_verbosity(quiet, verbose)
    from lurge.stream.comm import connect, run_rank
    from lurge.stream.launch import start_ranks

    if ranks and ranks > 1:
        arguments = ["report", *given(config, force, json, quiet, verbose)]
        sys.exit(start_ranks(ranks, arguments))
    comm = connect()
    if comm is None:
        raise typer.Exit(coordinate(None, config, force, json, quiet))
    if comm.rank == 0:
        sys.exit(run_rank(comm, lambda: coordinate(comm, config, force, json, quiet)))
    from lurge.stream.member import run_member

    sys.exit(run_rank(comm, lambda: run_member(comm)))


def given(config: Path | None, force: bool, json: bool, quiet: bool, verbose: bool) -> list[str]:
    """The options as arguments again."""
    flags = {"--force": force, "--json": json, "--quiet": quiet, "--verbose": verbose}
    chosen = [flag for flag, is_set in flags.items() if is_set]
    return chosen + (["--config", os.path.abspath(config)] if config else [])


def coordinate(comm: Comm | None, config_file: Path | None, force: bool, json: bool, quiet: bool) -> int:
    """The coordinator's part: run the job, print what came of it, send the other ranks home; returns the status."""
    from lurge.cli.progress import watch
    from lurge.cli.summary import summary_json, summary_text
    from lurge.config import load_config
    from lurge.pipeline.report import run_report
    from lurge.store.database import Database

    status = LurgeError.exit_status
    try:
        config = load_config(config_file)
        database = Database(config.database_url)
        with watch(quiet) as watcher:
            outcome = run_report(config, database, comm, watcher, force)
        status = outcome.exit_status
        if json:
            say(summary_json(database, outcome))
        elif not quiet:
            say(summary_text(database, outcome))
    except LurgeError as error:
        status = error.exit_status
        raise
    finally:
        if comm:
            comm.stop_others(status)
    return status
