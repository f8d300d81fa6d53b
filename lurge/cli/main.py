"""The `lurge` command."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Annotated

import typer

import lurge
from lurge.cli.command import add
from lurge.display import display
from lurge.errors import LurgeError
from lurge.pipeline.frame.outcome import exit_status_of

MODULES = {
    **dict.fromkeys(("report", "split", "backfill"), "report"),
    **{
        name: name
        for name in (
            "diff", "scan", "basedirs", "synth", "tree", "look", "serve", "plan", "doctor", "scripts",
            "works", "lake", "ledger", "show", "config", "db", "ticket",
        )
    },
}  # fmt: skip
"""The modules of lurge.cli that have the commands and groups, in the order of the help."""

RENAMED = {"most": "limit", "queue-again": "requeue", "blocks": "disk-usage"}
"""Options of version 0.3 by their names since; the old names go with version 0.5."""


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lurge {lurge.__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Storage intelligence for HPC: who uses how much, where, of what kind and how old."""


def application(names: Iterable[str] = MODULES) -> typer.Typer:
    """`lurge` with some of its commands and groups: the module of any other is not imported."""
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
    app.callback(epilog="Example: lurge report --config lurge.toml -n 4")(root)
    for name in names:
        module = import_module(f"lurge.cli.{MODULES[name]}")
        command = getattr(module, name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            add(app, command)
    return app


def wanted(arguments: Sequence[str]) -> Iterable[str]:
    """The names of the commands that a command line needs: all of them if it does not begin with one."""
    if list(arguments) == ["--version"]:
        return ()
    return arguments[:1] if arguments and arguments[0] in MODULES else MODULES


def main(app: typer.Typer | None = None) -> None:
    """Run a command; expected errors become a message and an exit status, without a traceback.

    app: the application (default: `lurge` with the command that is asked for).
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks must not make a command fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        (app or application(wanted(sys.argv[1:])))(prog_name="lurge")
    except LurgeError as error:
        print(f"lurge: {display(error.message)}\n  -> {display(error.advice)}", file=sys.stderr)
        sys.exit(exit_status_of(error))
    finally:
        # The interpreter would look for cycles several times before it ends.
        gc.freeze()
