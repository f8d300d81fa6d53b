"""Directories that a job writes into, by the keys of the configuration that name them."""

from __future__ import annotations

import os
from pathlib import Path

from lurge.config import Config
from lurge.errors import OutputError
from lurge.export.tsv import KINDS

REPORTS = "reports.directory"


def output_directories(config: Config) -> dict[str, list[Path]]:
    """The directories by key; they need not exist."""
    reports = config.reports.directory
    directories = {
        REPORTS: [reports, *(reports / kind for kind in KINDS)],
        "split.directory": [config.split.directory],
        "tickets.directory": [config.tickets.directory],
        "batch.logs": [config.batch.logs],
    }
    path = config.database.url.removeprefix("sqlite:///")
    if path != config.database.url:
        directories["database.url"] = [Path(path).parent]
    if config.identity.provider == "ldap":
        directories["identity.cache"] = [config.identity.cache.parent]
    return directories


def nearest_existing(directory: Path) -> Path:
    """The directory, or the nearest one above it that exists, in which it would be made."""
    while not os.path.lexists(directory):
        directory = directory.parent
    return directory


def obstacle(directory: Path) -> str | None:
    """The reason why nothing can be written into a directory; None if it can, or if it can be made."""
    above = nearest_existing(directory)
    if not above.is_dir():
        return f"{above} is not a directory"
    return None if os.access(above, os.W_OK | os.X_OK) else f"{above} cannot be written by this user"


def check_reports(config: Config) -> None:
    """Raise OutputError if the TSVs cannot be written: better now than after hours of reading."""
    for directory in output_directories(config)[REPORTS]:
        if problem := obstacle(directory):
            raise OutputError(f"{REPORTS}: {problem}", "Correct its permissions, or set the key to another directory.")
