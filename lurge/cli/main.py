"""The `lurge` command."""

from __future__ import annotations

import gc
import inspect
import io
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import lurge
from lurge.cli.basedirs import basedirs
from lurge.cli.config import config, init_config, show_config
from lurge.cli.db import check, db, upgrade
from lurge.cli.doctor import doctor
from lurge.cli.plan import plan
from lurge.cli.report import backfill, report, split
from lurge.cli.scan import scan
from lurge.cli.synth import synth
from lurge.cli.ticket import list_tickets, monitor, show, ticket
from lurge.display import display
from lurge.errors import LurgeError, VolumeError

app = typer.Typer(
    name="lurge",
    help="Storage intelligence for HPC: who uses how much, where, of what kind and how old.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def add(group: typer.Typer, command: Callable[..., None], name: str | None = None) -> None:
    """Add a command; its help ends in the example that ends its docstring."""
    text, _, example = inspect.cleandoc(command.__doc__ or "").partition("Example: ")
    group.command(name, help=text.strip(), epilog=f"Example: {example}")(command)


for command in (report, split, backfill, scan, basedirs, synth, plan, doctor):
    add(app, command)
add(config, show_config, "show")
add(config, init_config, "init")
add(db, upgrade)
add(db, check)
add(ticket, list_tickets, "list")
add(ticket, show)
add(ticket, monitor)
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
        # A name that the terminal's encoding does not have is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Imports and rows by the million leave no cycles behind: to look for them as often as Python does takes seconds.
    gc.set_threshold(100_000, 50, 100)
    try:
        app(prog_name="lurge")
    except LurgeError as error:
        print(f"lurge: {display(error.message)}\n  -> {display(error.advice)}", file=sys.stderr)
        sys.exit(1 if isinstance(error, VolumeError) else error.exit_status)
    finally:
        # The interpreter would look for cycles once more, several times over, before it ends.
        gc.freeze()
