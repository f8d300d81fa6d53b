"""Commands, and their help by their docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand


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
