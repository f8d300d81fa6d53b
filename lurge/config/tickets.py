"""[tickets]: records of jobs and their outcome."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lurge.config.elsewhere import PathVariable
from lurge.config.fields import ExistingFile, Positive, RelativePath, in_reports
from lurge.config.section import Section

TICKETS_VARIABLE = "JOB_DATA_BASEDIR"


class TicketsConfig(Section):
    """Tickets, which record the progress and outcome of jobs."""

    directory: Annotated[RelativePath, PathVariable(TICKETS_VARIABLE)] = in_reports(
        "tickets", f"Directory of the tickets. `${TICKETS_VARIABLE}` takes precedence."
    )
    jobs: ExistingFile | None = Field(
        None, description='A JSON file with additional jobs: `{"name": {"1": "first step"}}`.', examples=["jobs.json"]
    )
    stale_seconds: Positive = Field(
        3600,
        description="Time without a change of a running job's ticket after which the job counts as dead, in seconds.",
    )
