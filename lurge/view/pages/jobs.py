"""Jobs: tickets with their steps, errors and durations. They name paths of all groups: only who sees all sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from lurge.errors import PageError
from lurge.tickets import JobTracker, JobTrackerError
from lurge.view.context import Context
from lurge.view.table import ALL, Column, Order, Row, Table, table_of
from lurge.view.tickets import newest_tickets
from lurge.view.view import Asked, Fact, Page, View, address

MOST = 500


class AskedJobs(Asked):
    """The choice of jobs."""

    job: str = Field("", description="Name of the job.")
    status: str = Field("", description="success, failure, running or queued.")


class AskedJob(Asked):
    """The choice of a job."""

    ticket: str = Field("", description="The id of the ticket.")


def tracker(context: Context) -> JobTracker:
    return JobTracker(context.config.tickets.directory, context.config.tickets.jobs, {})


def to_job(row: Row) -> str | None:
    return address("/job", ticket=row["ticket"])


COLUMNS = (
    Column("begun", "Begun (UTC)"),
    Column("job", "Job", link=to_job),
    Column("status", "Status", level=lambda row: {"success": 1, "failure": 3, "died": 3}.get(row["status"])),
    Column("seconds", "Seconds", "count"),
    Column("failed", "Failed volumes"),
    Column("error", "Last error"),
)


def job_table(context: Context, order: Order, job: str = "", status: str = "", most: int = MOST) -> Table:
    """The newest jobs, at most `most`."""
    documents = newest_tickets(tracker(context).base_directory, most, status, job)
    empty = "No job ran yet. `lurge report` leaves a ticket here."
    return table_of("jobs", "Last jobs", COLUMNS, [row_of(document) for document in documents], order, empty)


def row_of(document: dict[str, Any]) -> dict[str, Any]:
    """A row for a ticket."""
    context = document["context"]
    steps = context.get("steps")
    seconds = [step.get("seconds") for step in (steps.values() if isinstance(steps, dict) else ()) if dict_of(step)]
    errors = context.get("errors_encountered")
    last = errors[-1] if isinstance(errors, list) and errors else None
    volumes = dict_of(context.get("volumes"))
    return {
        "ticket": document["job_ticket_id"],
        "begun": document["creation_date"],
        "job": document["job_name"],
        "status": "died" if "died" in context else document["job_management"]["job_status"] or "new",
        "seconds": round(sum(second for second in seconds if isinstance(second, int | float))),
        "failed": ", ".join(name for name, volume in volumes.items() if dict_of(volume).get("state") == "failed"),
        "error": str(dict_of(last).get("error", last)) if last else None,
    }


def dict_of(value: Any) -> dict[str, Any]:
    """A value if it is an object, else an empty one: tickets are files that others may write."""
    return value if isinstance(value, dict) else {}


def make(context: Context, asked: AskedJobs) -> View:
    """The newest jobs. Raises PageError for a person who does not see all."""
    context.need_all("jobs are")
    return View("Jobs", tables=[job_table(context, asked.order, asked.job, asked.status)])


def make_one(context: Context, asked: AskedJob) -> View:
    """A job. Raises PageError."""
    context.need_all("jobs are")
    try:
        tickets = tracker(context)
        document = tickets.get_tracker_file(tickets.complete_id(asked.ticket))
    except JobTrackerError as error:
        raise PageError(str(error), "Choose one from the list of jobs.") from error
    row, inner = row_of(document), document["context"]
    steps = [{"step": name, **dict_of(step)} for name, step in dict_of(inner.get("steps")).items()]
    step_columns = (Column("step", "Step"), Column("status", "Status"), Column("seconds", "Seconds"))
    volumes = [{"volume": name, **dict_of(volume)} for name, volume in dict_of(inner.get("volumes")).items()]
    volume_columns = (Column("volume", "Volume"), Column("state", "State"), Column("record_date", "Date"),
                      Column("error", "Error"))  # fmt: skip
    return View(
        f"{row['job']}, {row['begun']}",
        facts=[
            Fact("status", row["status"]),
            Fact("seconds", row["seconds"], "count"),
            Fact("process", describe(inner.get("process"))),
            Fact("ticket", row["ticket"]),
        ],
        tables=[
            table_of("steps", "Steps", step_columns, steps, ALL),
            table_of("volumes", "Volumes", volume_columns, volumes, ALL, "This job read no volume."),
            table_of("errors", "Errors", ERRORS, list(error_rows(inner.get("errors_encountered"))), ALL, "No error."),
        ],
        crumbs=[("Jobs", "/jobs")],
    )


ERRORS = (Column("time", "Time"), Column("step", "Step"), Column("error", "Error"))


def error_rows(errors: Any) -> Iterator[Row]:
    for error in errors if isinstance(errors, list) else ():
        yield dict_of(error) or {"error": str(error)}


def describe(process: Any) -> str | None:
    known = dict_of(process)
    return f"{known.get('pid')} on {known.get('host')}" if known else None


PAGE = Page("/jobs", "jobs", AskedJobs, make, menu="Jobs", form=("job", "status"))
ONE = Page("/job", "job", AskedJob, make_one)
