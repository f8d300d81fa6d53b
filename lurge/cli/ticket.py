"""`lurge ticket`: records of jobs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, say, say_json
from lurge.display import counted
from lurge.errors import TicketError, UsageError

SHORT_ID = 8
"""Characters of an id in a list. They tell tickets apart, and `show` accepts them."""

ticket = typer.Typer(
    help="Show the tickets of jobs.", no_args_is_help=True, epilog="Example: lurge ticket list --status failure"
)


def tracker(config: ConfigOption) -> Any:
    """The tickets of the configured site."""
    from lurge.config import load_config
    from lurge.pipeline.frame.ticket import tracker_of

    return tracker_of(load_config(config))


def list_tickets(
    config: ConfigOption = None,
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Only this status.")] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only this job.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N tickets.")] = 20,
    json: JsonOption = False,
) -> None:
    """List tickets, newest first.

    Example: lurge ticket list --status failure
    """
    from lurge.tickets import STATUSES, JobTrackerError

    if status is not None and status not in STATUSES:
        raise UsageError(f"--status {status}: unknown status", f"Known are {', '.join(filter(None, STATUSES))}.")
    try:
        documents = tracker(config).list_jobs(status=status, job_name=job)[:limit]
    except JobTrackerError as error:
        raise TicketError(str(error)) from error
    if json:
        say_json(documents)
        return
    for document in documents:
        management = document["job_management"]
        status = management["job_status"] or "new"
        died = "  died" if "died" in document["context"] else ""
        say(
            f"{document['job_ticket_id'][:SHORT_ID]}  {document['creation_date']}  {document['job_name']:<17}"
            f" {status:<8} step {management['current_step']}/{len(management['steps'])}{died}"
        )


def show(
    ticket_id: Annotated[
        str, typer.Argument(metavar="TICKET", help="A ticket's id, its beginning, or `last`.")
    ] = "last",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show one ticket: its steps with their times, volumes and errors.

    Example: lurge ticket show last
    """
    from lurge.tickets import JobTrackerError

    tickets = tracker(config)
    try:
        if ticket_id == "last":
            newest = tickets.list_jobs()
            if not newest:
                raise TicketError(f"there are no tickets in {tickets.base_directory}", "Run a job first.")
            document = newest[0]
        else:
            document = tickets.get_tracker_file(tickets.complete_id(ticket_id))
    except JobTrackerError as error:
        raise TicketError(str(error)) from error
    if json:
        say_json(document)
    else:
        say(*ticket_lines(document))


def ticket_lines(document: dict[str, Any]) -> list[str]:
    """A ticket for people."""
    management, context = document["job_management"], document["context"]
    lines = [
        f"{document['job_ticket_id']}  {document['job_name']}  {management['job_status'] or 'new'}",
        f"  begun {document['creation_date']}, last change {document['last_modified_date']} (UTC)",
    ]
    process = context.get("process")
    if isinstance(process, dict):
        lines.append(f"  process {process.get('pid')} on {process.get('host')}, {ranks_of(context)}")
    for name in ("config", "batch_job", "continues", "died"):
        if context.get(name):
            lines.append(f"  {name.replace('_', ' ')}: {context[name]}")
    for name, step in objects(context, "steps"):
        took = f"{step['seconds']} s" if "seconds" in step else ""
        lines.append(f"  step {name:<16} {step.get('status', 'running'):<8} {took}".rstrip())
    for name, volume in objects(context, "volumes"):
        counts = volume.get("counts") or {}
        read = (
            f"{counted(counts.get('records', 0), 'record')}, {counts.get('rejected', 0):,} rejected" if counts else ""
        )
        day = volume.get("record_date") or ""
        lines.append(f"  {name:<12} {volume.get('state') or '':<15} {day:<10}  {read}".rstrip())
    errors = context.get("errors_encountered")
    for error in errors if isinstance(errors, list) else ():
        is_entry = isinstance(error, dict)
        text = f"at {error.get('time')} ({error.get('step')}): {error.get('error')}" if is_entry else error
        lines.append(f"  error {text}")
    return lines


def ranks_of(context: dict[str, Any]) -> str:
    """The number of a job's ranks. Other programs may write anything there."""
    ranks = context.get("ranks", 1)
    return counted(ranks, "rank") if isinstance(ranks, int) else f"{ranks} ranks"


def objects(context: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    """The objects in an object of a context. Other programs may write anything there."""
    values = context.get(name)
    if not isinstance(values, dict):
        return []
    return [(key, value) for key, value in values.items() if isinstance(value, dict)]


def monitor(
    config: ConfigOption = None,
    requeue: Annotated[bool, typer.Option("--requeue", help="Queue dead jobs again instead of failing them.")] = False,
    json: JsonOption = False,
) -> None:
    """Mark the tickets of dead jobs, and count tickets by status.

    Dead jobs are marked as failed, or queued again.

    Example: lurge ticket monitor --json
    """
    from lurge.config import load_config
    from lurge.pipeline.frame.ticket import tracker_of
    from lurge.tickets import JobTrackerError

    settings = load_config(config)
    tickets = tracker_of(settings)
    try:
        marked = tickets.monitor(settings.tickets.stale_seconds, queue_again=requeue)
        counts = tickets.count_jobs()
    except JobTrackerError as error:
        raise TicketError(str(error)) from error
    if json:
        say_json({"marked": marked, "counts": counts})
        return
    for ticket_id, reason in marked.items():
        say(f"{ticket_id}: {reason}")
    say(", ".join(f"{count} {status or 'new'}" for status, count in counts.items()))


add(ticket, list_tickets, "list")
add(ticket, show)
add(ticket, monitor)
