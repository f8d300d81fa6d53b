"""`lurge basedirs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.options import ConfigOption, QuietOption, VerboseOption, say, set_verbosity


def basedirs(
    dumps: Annotated[list[Path], typer.Argument(metavar="DUMP", help="Dumps: files, or the folders they are in.")],
    depth: Annotated[
        int | None, typer.Option("--depth", min=0, help="Components below the root; else basedirs.depth, else 5.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File or directory; else where the first dump is published.")
    ] = None,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Work out base directories: for every gid, the directories at a depth that hold its files.

    The configuration's [basedirs] table sets the depth, also by path prefix; a configuration file is not needed.

    Example: lurge basedirs dumps/20240131_scratch119.a1.b2.stats.gz --depth 4
    """
    set_verbosity(quiet, verbose)
    from lurge.config import load_config
    from lurge.pipeline.basedirs import make_base_directories
    from lurge.pipeline.ticket import tool_ticket

    configured = load_config(config, optional=True).basedirs
    chosen = configured.depth if depth is None else depth
    with tool_ticket("basedirs", "read_dumps", str(dumps[0])) as facts:
        path, lines = make_base_directories(dumps, chosen, dict(configured.prefixes), output)
        facts.update(directories=lines, file=str(path))
    if not quiet:
        say(f"{lines:,} base directories: {path}")
