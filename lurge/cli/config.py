"""`lurge config`: the settings in force, and a file to start from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, say, say_json
from lurge.errors import UsageError

config = typer.Typer(
    help="Show the configuration, or write one to start from.",
    no_args_is_help=True,
    epilog="Example: lurge config show",
)


def show_config(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every setting in force, and its source.

    The source is a line of the file, the environment, or a default. Passwords are hidden. Without a lurge.toml, the
    defaults are shown.

    Example: lurge config show --config lurge.toml
    """
    from lurge.config.in_force import settings_in_force
    from lurge.config.load import load

    loaded = load(config, optional=True)
    exists = loaded.document.exists
    settings = settings_in_force(loaded)
    if json:
        file = str(loaded.config.file) if exists else None
        say_json({"file": file, "settings": [asdict(setting) for setting in settings]})
        return
    say(f"# {loaded.config.file}" if exists else f"# There is no {loaded.config.file}; the current directory counts.")
    say(*(f"{setting.key} = {setting.text}  # {setting.source}" for setting in settings))


def init_config(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File to write, or the directory for it.")] = Path(
        "lurge.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Write a lurge.toml to start from.

    It has every key, commented out, with its meaning and an example.

    Example: lurge config init
    """
    from lurge.atomic import whole_file
    from lurge.config import DEFAULT_FILE, Config
    from lurge.config.example import example_file

    file = path / DEFAULT_FILE if path.is_dir() else path
    if file.exists() and not force:
        raise UsageError(f"{file} exists already", "Give --force to replace it, or another PATH.")
    with whole_file(file) as stream:
        stream.write(example_file(Config).encode())
    say(f"{file} is written: remove the # before [dumps] and its keys, then run `lurge doctor --config {file}`.")


add(config, show_config, "show")
add(config, init_config, "init")
