"""Write the generated documents from the code; with --check, fail if they are not up to date.

These are cli.md, errors.md, lurge.schema.json and the reference in configuration.md.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from docs.reference import schema_text, with_reference
from lurge import errors
from lurge.cli.main import application

FOLDER = Path(__file__).parent
GENERATED = "<!-- Written by `make docs` from the code: change it there. -->\n"


def command_names(command: Any, name: str = "") -> Iterator[str]:
    """Yield the names of `lurge` and of every command that is not a group of commands."""
    subcommands = getattr(command, "commands", {})
    if not (name and subcommands):
        yield name
    for word, subcommand in subcommands.items():
        yield from command_names(subcommand, f"{name} {word}".strip())


def cli() -> str:
    """Return the help of every command, as a page."""
    parts = ["# Commands\n", GENERATED]
    for command in command_names(get_command(application())):
        arguments = [*command.split(), "--help"]
        shown = subprocess.run(
            [sys.executable, "-m", "lurge", *arguments],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "80", "TERMINAL_WIDTH": "80"},
        )
        lines = "\n".join(line.rstrip() for line in shown.stdout.strip().split("\n"))
        parts.append(f"## `{f'lurge {command}'.strip()}`\n\n```text\n{lines}\n```\n")
    parts.append(
        "## Exit status\n\n| status | meaning |\n| --- | --- |\n"
        "| 0 | everything is done, or there is nothing new to do |\n"
        "| 1 | the command failed, or nothing could be done for any volume; `doctor` or `db check` found something |\n"
        "| 2 | wrong usage or configuration |\n"
        "| 3 | some volumes failed or have no dump; the others are stored |\n"
        "| 130 | interrupted |\n"
    )
    return "\n".join(parts)


def error_page() -> str:
    """Return the tree of errors, and a table of them with advice, as a page."""
    tree = inspect.cleandoc(errors.__doc__ or "")
    parts = ["# Errors\n", GENERATED, f"```text\n{tree}\n```\n", "| error | when | what to do |\n| --- | --- | --- |"]
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.LurgeError):
            when = " ".join(inspect.cleandoc(error.__doc__ or "").split("\n\n")[0].split())
            parts.append(f"| `{name}` | {when} | {error.advice} |")
    return "\n".join(parts).replace("<", "&lt;").replace("&lt;!--", "<!--") + "\n"


def main() -> None:
    """Write or check every generated document."""
    stale = []
    page = (FOLDER / "configuration.md").read_text(encoding="utf-8")
    documents = {
        "cli.md": cli(),
        "errors.md": error_page(),
        "configuration.md": with_reference(page),
        "lurge.schema.json": schema_text(),
    }
    for name, text in documents.items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit(f"not up to date: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
