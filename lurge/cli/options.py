"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lurge.errors import UsageError
from lurge.logs import set_up_logs

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file; else $LURGE_CONFIG, else ./lurge.toml.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and errors only.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show every detail.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def set_verbosity(quiet: bool, verbose: bool) -> None:
    """Set up logs as the two options say. Raises UsageError for both."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other")
    set_up_logs(-1 if quiet else 1 if verbose else 0)
