"""Options that several commands share."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lurge.display import display
from lurge.errors import OutputError, UsageError
from lurge.logs import set_up_logs

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="PATH", help="Configuration file (default: $LURGE_CONFIG or ./lurge.toml)."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and errors only.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every detail.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def say(*lines: str) -> None:
    """Print the lines of a result. Names in them cannot change the terminal or begin another line.

    A reader that has gone away is not an error. Raises OutputError.
    """
    put("\n".join(map(display, lines)))


def say_json(value: object) -> None:
    """Print a result as JSON. Raises OutputError."""
    put(json.dumps(value, indent=2, default=str))


def put(text: str, end: str = "\n") -> None:
    """Print a text. Raises OutputError."""
    try:
        print(text, end=end, flush=True)
    except OSError as error:
        # The rest of the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise OutputError.at("standard output", error) from error


def set_verbosity(quiet: bool, verbose: bool) -> None:
    """Set up logs for the two options. Raises UsageError if both are given."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other")
    set_up_logs(-1 if quiet else 1 if verbose else 0)
