"""`lurge basedirs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lurge.cli.options import ConfigOption, QuietOption, VerboseOption, say, set_verbosity
from lurge.display import counted


def basedirs(
    dumps: Annotated[list[Path], typer.Argument(metavar="DUMP", help="Dumps: files, or the folders that hold them.")],
    depth: Annotated[
        int | None,
        typer.Option("--depth", metavar="N", min=0, help="Components below / (default: basedirs.depth, or chosen)."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="File or directory (default: that of the first dump)."),
    ] = None,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Find base directories: the directories that each group uses.

    They hold files of the group. The [basedirs] table of the configuration sets their depth, also by path prefix;
    otherwise it is chosen for each tree. Files above that depth keep their directory. A configuration file is not
    needed.

    Example: lurge basedirs dumps/20240131_scratch119.a1.b2.stats.gz --depth 4
    """
    set_verbosity(quiet, verbose)
    from lurge.cli.progress import watch
    from lurge.config import load_config
    from lurge.pipeline.basedirs import run_basedirs

    site = load_config(config, optional=True)
    volumes = site.dumps.volumes if site.dumps_table else ()
    depths = site.basedirs if depth is None else site.basedirs.model_copy(update={"depth": depth})
    with watch(quiet) as watcher:
        path, lines = run_basedirs(dumps, depths, volumes, output, watcher)
    if not quiet:
        say(f"{counted(lines, 'base directory', 'base directories')}: {path}")
