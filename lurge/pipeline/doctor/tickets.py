"""Checks of the tickets."""

from __future__ import annotations

from collections.abc import Iterator

from lurge.config import Config
from lurge.pipeline.doctor.finding import Finding, Verdict
from lurge.pipeline.frame.ticket import tracker_of
from lurge.pipeline.recipes import RECIPES
from lurge.tickets import JobTrackerError


def check_tickets(config: Config) -> Iterator[Finding]:
    """Check that the definitions of jobs and the tickets can be read."""
    try:
        tracker = tracker_of(config, RECIPES)
        jobs = tracker.jobs()
        running = len(tracker.list_jobs(status="running"))
    except JobTrackerError as error:
        yield Finding("tickets", Verdict.FAILURE, str(error), "Correct the file that tickets.jobs names.")
    else:
        said = f"{config.tickets.directory}: {len(jobs)} kinds of jobs, {running} running"
        yield Finding("tickets", Verdict.OK, said)
