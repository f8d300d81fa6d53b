"""Making, reading and changing tickets."""

from __future__ import annotations

import os
import re
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lurge.tickets.document import (
    TIME,
    add_error,
    check,
    end_step,
    mark_stale,
    merge,
    moment_of,
    now,
    requeue,
    step_log,
    step_number,
    steps_as_dict,
)
from lurge.tickets.errors import InvalidDocument, InvalidTicketId, JobTrackerError, TicketNotFound, UnknownJob
from lurge.tickets.files import Document, TicketFiles, is_ticket_id
from lurge.tickets.jobs import known_jobs
from lurge.tickets.process import is_gone, this_process

DIRECTORY_VARIABLE = "JOB_DATA_BASEDIR"
MAX_TRIES = 10
STATUSES = ("", "ready", "queued", "running", "success", "failure")
PARENT = "parent_job_ticket_id"


def state_of(statuses: Iterable[str]) -> str:
    """The status of a parent, from those of its children.

    A parent runs from the start of its first child until all have ended. It fails if one of them failed.
    """
    distinct = set(statuses)
    if distinct <= {"success", "failure"}:
        return "failure" if "failure" in distinct else "success" if distinct else ""
    if distinct & {"running", "success", "failure"}:
        return "running"
    return "queued" if "queued" in distinct else "ready" if "ready" in distinct else ""


class JobTracker:
    """The tickets of one directory: `base_directory`, else $JOB_DATA_BASEDIR, else ./tickets.

    jobs_file: a site's JSON file of more jobs, {name: steps}. jobs: those of the program, with the names of their steps
    in order. Both may replace shipped jobs; the site's file has the last word. Every method raises JobTrackerError if
    files cannot be read or written.
    """

    def __init__(
        self,
        base_directory: Path | str | None = None,
        jobs_file: Path | str | None = None,
        jobs: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.base_directory = Path(base_directory or os.environ.get(DIRECTORY_VARIABLE) or "tickets")
        self._jobs_file = Path(jobs_file) if jobs_file else None
        self._declared = {name: tuple(steps) for name, steps in (jobs or {}).items()}

    # Jobs and ids

    def get_job_steps(self, job_name: str) -> dict[str, str]:
        """The steps of a job by number. Raises UnknownJob."""
        jobs = self.jobs()
        if job_name not in jobs:
            raise UnknownJob(f"no job is called {job_name!r}; there are {', '.join(sorted(jobs))}")
        return jobs[job_name]

    def jobs(self) -> dict[str, dict[str, str]]:
        """The steps of every job by its name. Raises InvalidDocument if the site's file is malformed."""
        return known_jobs(self._declared, self._jobs_file)

    @staticmethod
    def create_job_ticket_id() -> str:
        """A new id, `<uuid4>-<hostname>`."""
        host = re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname()).lstrip(".-")[:128]
        return f"{uuid.uuid4()}-{host or 'host'}"

    @staticmethod
    def validate_job_ticket_id(job_ticket_id: str) -> bool:
        """True if a text has the form of a ticket id."""
        return is_ticket_id(job_ticket_id)

    @staticmethod
    def validate_json_schema(document: object) -> bool:
        """True if a document has the form of a ticket."""
        try:
            check(document)  # type: ignore[arg-type]  # that is the question
        except (InvalidDocument, InvalidTicketId):
            return False
        return True

    # Documents

    def init_tracker_file(
        self, job_name: str, context: Mapping[str, Any] | None = None, max_number_of_tries: int = MAX_TRIES
    ) -> Document:
        """Make a ticket for a job; returns its document. Raises UnknownJob, InvalidDocument."""
        if not isinstance(context, Mapping | None):
            raise InvalidDocument("a context must be an object")
        moment = now()
        document = {
            "job_ticket_id": self.create_job_ticket_id(),
            "job_name": job_name,
            "job_management": {
                "current_step": 1,
                "steps": self.get_job_steps(job_name),
                "job_status": "",
                "previous_step_status": "",
                "numberOfTries": 0,
                "maxNumberOfTries": max_number_of_tries,
            },
            "context": dict(context or {}),
            "creation_date": moment,
            "last_modified_date": moment,
        }
        return self.write_tracker_file(document)

    def get_tracker_file(self, job_ticket_id: str) -> Document:
        """A ticket's document. Raises InvalidTicketId, TicketNotFound."""
        files = TicketFiles(self.base_directory, job_ticket_id)
        return files.read(files.document)

    def write_tracker_file(self, document: Document) -> Document:
        """Create or replace the ticket whose id is in the document; returns the document as written.

        Raises InvalidDocument, InvalidTicketId.
        """
        check(document)
        files = TicketFiles(self.base_directory, document["job_ticket_id"])
        with files.locked():
            return self._put(files, deepcopy(document))

    def change(self, job_ticket_id: str, change: Callable[[Document], None]) -> Document:
        """Let `change` alter a ticket's document under its lock; returns the document as written."""
        files = TicketFiles(self.base_directory, job_ticket_id)
        if not files.document.exists():
            raise TicketNotFound(f"no ticket {job_ticket_id} in {self.base_directory}")
        with files.locked():
            document = files.read(files.document)
            change(document)
            if document.get("job_ticket_id") != job_ticket_id:
                raise InvalidDocument("the id of a ticket cannot be changed")
            check(document)
            return self._put(files, document)

    def _put(self, files: TicketFiles, document: Document) -> Document:
        moment = datetime.now(UTC)
        document["last_modified_date"] = moment.strftime(TIME)
        files.write(files.document, document)
        self._put_timestamp(files, moment)
        return document

    @staticmethod
    def _put_timestamp(files: TicketFiles, moment: datetime) -> Document:
        stamp = {
            "job_ticket_id": files.ticket_id,
            "last_modified_date": moment.strftime(TIME),
            "timestamp": moment.timestamp(),
        }
        files.write(files.timestamp, stamp)
        return stamp

    def update_timestamp_file(self, job_ticket_id: str) -> Document:
        """Show that the job is alive, without changing its ticket; returns the content of the file."""
        files = TicketFiles(self.base_directory, job_ticket_id)
        if not files.document.exists():
            raise TicketNotFound(f"no ticket {job_ticket_id} in {self.base_directory}")
        with files.locked():
            return self._put_timestamp(files, datetime.now(UTC))

    def get_timestamp_file(self, job_ticket_id: str) -> Document:
        """The time of a ticket's last change: last_modified_date (UTC), timestamp (Unix seconds)."""
        files = TicketFiles(self.base_directory, job_ticket_id)
        return files.read(files.timestamp)

    # Steps, errors, context

    def begin_step(self, job_ticket_id: str, step: int | str | None = None) -> Document:
        """Begin a step, given by number or name (default: the current one): this process now runs the job."""

        def begin(document: Document) -> None:
            management = document["job_management"]
            number = step_number(document, step)
            management["current_step"] = number
            management["job_status"] = "running"
            document["context"].pop("died", None)
            document["context"]["process"] = this_process()
            log = step_log(document)
            log.update(began=now(), began_at=datetime.now(UTC).timestamp())

        return self.change(job_ticket_id, begin)

    def finish_step(self, job_ticket_id: str, ends_job: bool = True, **facts: Any) -> Document:
        """End the current step in success, with facts about it. The next one becomes the current step.

        ends_job: True if the job has succeeded after its last step; otherwise call `set_status`.
        """

        def finish(document: Document) -> None:
            management = document["job_management"]
            end_step(document, "success", facts)
            if management["current_step"] >= len(steps_as_dict(management["steps"])):
                if ends_job:
                    management["job_status"] = "success"
            else:
                management["current_step"] += 1

        return self.change(job_ticket_id, finish)

    def fail_step(self, job_ticket_id: str, error: object, **facts: Any) -> Document:
        """End the current step, and with it the job, in failure."""

        def fail(document: Document) -> None:
            end_step(document, "failure", facts)
            document["job_management"]["job_status"] = "failure"
            add_error(document, str(error))

        return self.change(job_ticket_id, fail)

    def append_error(self, job_ticket_id: str, error: object) -> Document:
        """Add an error, as text, to context.errors_encountered."""
        return self.change(job_ticket_id, lambda document: add_error(document, str(error)))

    def get_status(self, job_ticket_id: str) -> str:
        """The job's status."""
        return str(self.get_tracker_file(job_ticket_id)["job_management"]["job_status"])

    def set_status(self, job_ticket_id: str, status: str) -> Document:
        """Set the job's status. Raises InvalidDocument for an unknown one."""

        def put(document: Document) -> None:
            document["job_management"]["job_status"] = status
            if status != "failure":
                document["context"].pop("died", None)

        return self.change(job_ticket_id, put)

    def merge_context(self, job_ticket_id: str, context: Mapping[str, Any]) -> Document:
        """Add to the context; objects are merged, anything else is replaced."""
        if not isinstance(context, Mapping):
            raise InvalidDocument("a context must be an object")
        return self.change(job_ticket_id, lambda document: merge(document["context"], context))

    def retry(self, job_ticket_id: str) -> bool:
        """Queue a job again from its current step. After the last permitted try the job fails; returns False."""
        queued = False

        def again(document: Document) -> None:
            nonlocal queued
            queued = requeue(document)

        self.change(job_ticket_id, again)
        return queued

    # Many tickets

    def complete_id(self, beginning: str) -> str:
        """The id that begins with a text. Raises TicketNotFound if none does, InvalidTicketId if several do."""
        matching = sorted(name for name in self._ids() if name.startswith(beginning or " "))
        if not matching:
            raise TicketNotFound(f"no ticket's id begins with {beginning!r} in {self.base_directory}")
        if len(matching) > 1 and beginning not in matching:
            raise InvalidTicketId(
                f"{len(matching)} ids of tickets begin with {beginning!r}, the first is {matching[0]}"
            )
        return matching[0]

    def _ids(self) -> list[str]:
        """The ids of all tickets."""
        try:
            names = [path.name for path in self.base_directory.iterdir()] if self.base_directory.is_dir() else []
        except OSError as error:
            raise JobTrackerError(f"{self.base_directory}: {error.strerror}") from error
        return list(filter(is_ticket_id, names))

    def list_jobs(self, status: str | None = None, job_name: str | None = None) -> list[Document]:
        """All tickets, newest first, without damaged ones. status, job_name: only tickets of these."""
        return list(self.newest_jobs(status, job_name))

    def newest_jobs(self, status: str | None = None, job_name: str | None = None) -> Iterator[Document]:
        """Yield the tickets of `list_jobs`. Each is validated, which takes longest, when it is asked for."""
        documents = []
        for name in self._ids():
            try:
                document = self.get_tracker_file(name)
            except JobTrackerError:
                continue
            management = document.get("job_management") if isinstance(document, dict) else None
            may_be = isinstance(management, dict) and status in (None, management.get("job_status"))
            if may_be and job_name in (None, document.get("job_name")):
                documents.append(document)
        documents.sort(
            key=lambda ticket: (str(ticket.get("creation_date")), str(ticket.get("job_ticket_id"))), reverse=True
        )
        return (document for document in documents if self.validate_json_schema(document))

    def count_jobs(self) -> dict[str, int]:
        """The number of tickets by status."""
        counts = Counter(document["job_management"]["job_status"] for document in self.list_jobs())
        return {status: counts[status] for status in STATUSES}

    def children(self, job_ticket_id: str) -> list[Document]:
        """The tickets whose context names this one as context.parent_job_ticket_id."""
        return [ticket for ticket in self.list_jobs() if ticket["context"].get(PARENT) == job_ticket_id]

    def update_parent(self, job_ticket_id: str) -> str:
        """Set a parent's status from those of its children; returns it."""
        status = state_of(child["job_management"]["job_status"] for child in self.children(job_ticket_id))
        self.set_status(job_ticket_id, status)
        return status

    def monitor(
        self,
        stale_seconds: float,
        queue_again: bool = False,
        concerns: Callable[[Document], bool] = lambda _: True,
    ) -> dict[str, str]:
        """Mark stale tickets as failed; returns the reasons by id.

        A running ticket is stale if its process is gone, or if it has not changed for `stale_seconds`. queue_again:
        queue it again instead, unless it was tried too often. concerns: selects the tickets to look at.
        """
        marked: dict[str, str] = {}

        def mark(document: Document) -> None:
            why = self._why_stale(document, stale_seconds)
            if document["job_management"]["job_status"] == "running" and why:
                mark_stale(document, why, queue_again)
                marked[document["job_ticket_id"]] = why

        for document in self.list_jobs(status="running"):
            if concerns(document) and self._why_stale(document, stale_seconds):
                with suppress(JobTrackerError):
                    self.change(document["job_ticket_id"], mark)
        return marked

    def _why_stale(self, document: Document, stale_seconds: float) -> str | None:
        process = document["context"].get("process")
        if isinstance(process, dict) and is_gone(process):
            return f"its process {process['pid']} on {process['host']} is gone"
        try:
            changed = float(self.get_timestamp_file(document["job_ticket_id"])["timestamp"])
        except (JobTrackerError, KeyError, TypeError, ValueError):
            changed = moment_of(document["last_modified_date"]) or 0.0
        silent = datetime.now(UTC).timestamp() - changed
        return f"it has been silent for {silent:.0f} s" if silent > stale_seconds else None
