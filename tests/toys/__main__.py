"""`python -m tests.toys toy FILE`: the command of the job, beside those of lurge."""

from __future__ import annotations

from pathlib import Path

import typer

from lurge.cli.command import add
from lurge.cli.job import show_job
from lurge.cli.main import application, main
from lurge.cli.options import ConfigOption, JsonOption, QuietOption, set_verbosity
from lurge.config import load_config
from lurge.parallel.ranks import together
from lurge.pipeline.frame.job import run_job
from tests.toys.load import LOAD, load


def toy(file: Path, config: ConfigOption = None, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Load toys.

    Example: lurge toy toys.txt
    """
    set_verbosity(quiet, verbose=False)
    site = load_config(config)
    raise typer.Exit(show_job(lambda watcher: run_job(LOAD, site, lambda job: load(job, file), watcher), json, quiet))


with together():
    app = application()
    add(app, toy)
    main(app)
