"""`lurge scripts`."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

import lurge
from lurge.cli.options import say
from lurge.errors import OutputError, UsageError

PACKAGE = Path(lurge.__file__).parent
DOCUMENTS = "share/doc/lurge"
"""The place of the documents in an installation. In a clone they are beside the package."""


def scripts(
    install: Annotated[
        Path | None, typer.Option("--install", metavar="DIR", help="Copy them into this directory.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files there that differ.")] = False,
) -> None:
    """List or copy the scripts that submit jobs, and the documents.

    With --install they are copied, for crontab and for editing.

    Example: lurge scripts --install scripts
    """
    files = {path.name: path for path in sorted((PACKAGE / "scripts").glob("*.sh"))}
    files |= {f"docs/{path.name}": path for path in documents()}
    if install is None:
        say(*map(str, files.values()))
        return
    try:
        copy(files, install, force)
    except OSError as error:
        raise OutputError.at(error.filename or install, error) from error
    say(
        f"{len(files)} files are in {install}; for crontab:",
        f"  0 2 * * *  LURGE_CONFIG=FILE {install.absolute()}/cron.sh",
    )


def documents() -> list[Path]:
    """The documents of a clone, or else of an installation."""
    if (PACKAGE.parent / "setup.cfg").exists():
        return sorted((PACKAGE.parent / "docs").glob("*.md"))
    installed = importlib.metadata.files("lurge") or []
    return sorted(Path(str(file.locate())).resolve() for file in installed if DOCUMENTS in str(file.parent))


def copy(files: dict[str, Path], directory: Path, force: bool) -> None:
    """Copy files to their new names. Raises UsageError, before it copies any, if other files are in their place."""
    for name, source in files.items():
        target = directory / name
        if not force and target.exists() and target.read_bytes() != source.read_bytes():
            raise UsageError(f"{target} exists and differs", "Give a new directory, or --force to replace it.")
    for name, source in files.items():
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(source.read_bytes())
        target.chmod(0o755 if target.suffix == ".sh" else 0o644)
