"""The `lurge` command."""

from __future__ import annotations

import gc
import inspect
import io
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperCommand

import lurge
from lurge.cli.basedirs import basedirs
from lurge.cli.config import config, init_config, show_config
from lurge.cli.db import check, db, upgrade
from lurge.cli.diff import diff
from lurge.cli.doctor import doctor
from lurge.cli.lake import commands as lake_commands
from lurge.cli.lake import lake
from lurge.cli.ledger import commands as ledger_commands
from lurge.cli.ledger import ledger
from lurge.cli.look import look
from lurge.cli.plan import plan
from lurge.cli.report import backfill, report, split
from lurge.cli.scan import scan
from lurge.cli.scripts import scripts
from lurge.cli.serve import serve
from lurge.cli.show import groups, history, show_group, types, users
from lurge.cli.synth import synth
from lurge.cli.ticket import list_tickets, monitor, show, ticket
from lurge.cli.tree import tree
from lurge.cli.works import commands as works_commands
from lurge.cli.works import works
from lurge.display import display
from lurge.errors import LurgeError
from lurge.pipeline.frame.outcome import exit_status_of

RENAMED = {"most": "limit", "queue-again": "requeue", "blocks": "disk-usage"}
"""Options of version 0.3 by their names since; the old names go with version 0.5."""

app = typer.Typer(
    name="lurge",
    help="Storage intelligence for HPC: who uses how much, where, of what kind and how old.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": lambda token: RENAMED.get(token, token),
    },
)


class Command(TyperCommand):
    """A command whose help shows arguments as words, without the types that they have in Python."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                # Undocumented, and only in newer versions: in others it is without effect.
                parameter.display_type_rich = lambda ctx: ""  # type: ignore[method-assign]


def add(group: typer.Typer, command: Callable[..., None], name: str | None = None) -> None:
    """Add a command. The example at the end of its docstring ends its help."""
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("Example: ")
    group.command(name, cls=Command, help=text.strip(), epilog=f"Example: {example}")(command)


command: Callable[..., None]
for command in (report, split, backfill, diff, scan, basedirs, synth, tree, look, serve, plan, doctor, scripts):
    add(app, command)
add(config, show_config, "show")
add(config, init_config, "init")
add(db, upgrade)
add(db, check)
add(ticket, list_tickets, "list")
add(ticket, show)
add(ticket, monitor)
for command in (groups, users, types, history):
    add(show_group, command)
for command, name in works_commands():
    add(works, command, name)
for command, name in lake_commands():
    add(lake, command, name)
for command, name in ledger_commands():
    add(ledger, command, name)
app.add_typer(works, name="works")
app.add_typer(lake, name="lake")
app.add_typer(ledger, name="ledger")
app.add_typer(show_group, name="show")
app.add_typer(config, name="config")
app.add_typer(db, name="db")
app.add_typer(ticket, name="ticket")


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lurge {lurge.__version__}")
        raise typer.Exit


@app.callback(epilog="Example: lurge report --config lurge.toml -n 4")
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Storage intelligence for HPC: who uses how much, where, of what kind and how old."""


def main() -> None:
    """Run a command; expected errors become a message and an exit status, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not make a command fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Imports and millions of rows leave no cycles behind. Python's default would spend seconds on looking for them.
    gc.set_threshold(100_000, 50, 100)
    try:
        app(prog_name="lurge")
    except LurgeError as error:
        print(f"lurge: {display(error.message)}\n  -> {display(error.advice)}", file=sys.stderr)
        sys.exit(exit_status_of(error))
    finally:
        # The interpreter would look for cycles several times before it ends.
        gc.freeze()
