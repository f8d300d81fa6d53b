"""The jobs that a tracker knows, with their steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from lurge.tickets.document import steps_as_dict
from lurge.tickets.errors import InvalidDocument, JobTrackerError


def numbered(steps: Iterable[str]) -> dict[str, str]:
    """Names of steps by number, from 1."""
    return {str(number): name for number, name in enumerate(steps, 1)}


def known_jobs(declared: Mapping[str, Iterable[str]], file: Path | None) -> dict[str, dict[str, str]]:
    """The steps of every job by its name: of those that are shipped, of `declared`, and of a site's file.

    If a name comes twice, the later one counts. Raises JobTrackerError if the file cannot be read, InvalidDocument if
    it is malformed.
    """
    shipped: dict[str, dict[str, str]] = json.loads(
        resources.files(__package__).joinpath("jobs.json").read_text(encoding="utf-8")
    )
    by_program = {name: numbered(steps) for name, steps in declared.items()}
    try:
        by_site = {name: steps_as_dict(steps) for name, steps in read_jobs(file).items()} if file else {}
    except InvalidDocument as error:
        raise InvalidDocument(f"{file}: {error}") from error
    return shipped | by_program | by_site


def read_jobs(file: Path) -> dict[str, Any]:
    """The jobs in a site's file, with steps in either form."""
    try:
        jobs = json.loads(file.read_bytes())
    except OSError as error:
        raise JobTrackerError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidDocument(str(error)) from error
    if not isinstance(jobs, dict):
        raise InvalidDocument("the file must hold an object of jobs")
    return jobs
