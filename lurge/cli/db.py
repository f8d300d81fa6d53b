"""`lurge db`: the schema of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, QuietOption, VerboseOption, say, say_json, set_verbosity

db = typer.Typer(
    help="Bring the database up to date, or check it.", no_args_is_help=True, epilog="Example: lurge db check"
)


def upgrade(config: ConfigOption = None, quiet: QuietOption = False, verbose: VerboseOption = False) -> None:
    """Create the tables, or bring those of an older schema up to date.

    Tables of the older tool are adopted, with all their rows. Every other command that writes does this first.

    Example: lurge db upgrade --config lurge.toml
    """
    set_verbosity(quiet, verbose)
    from lurge.config import load_config
    from lurge.store.database import Database
    from lurge.store.database.lock import sole_run
    from lurge.store.usage.area import USAGE
    from lurge.store.usage.read.check import look_at

    database = Database(load_config(config).database)
    with sole_run(database, USAGE, "db upgrade"):
        state = look_at(database)
    if not quiet:
        say(f"{database}: schema {state.revision}, up to date")


def check(
    config: ConfigOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Correct the dates and names that the older tool left, and list them.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Check the database: schema, rows, leftovers of dead runs.

    Only --repair changes it. The exit status is 1 if something should be done.

    Example: lurge db check --config lurge.toml --json
    """
    set_verbosity(quiet, verbose)
    from lurge.config import load_config
    from lurge.store.database import Database
    from lurge.store.database.lock import sole_run
    from lurge.store.usage.area import USAGE
    from lurge.store.usage.read.check import look_at
    from lurge.store.usage.repair import repair_database

    database = Database(load_config(config).database)
    done = []
    if repair:
        with sole_run(database, USAGE, "db check"):
            done = repair_database(database)
        if not (quiet or json):
            say(*done)
    state = database.retrying(lambda: look_at(database))
    if json:
        say_json(state.as_json() | ({"repaired": done} if repair else {}))
    elif not quiet:
        say(*state.lines())
    raise typer.Exit(1 if state.problems else 0)


add(db, upgrade)
add(db, check)
