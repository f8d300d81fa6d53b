"""The ticket that every job keeps: its steps, what came of each volume, and that it is alive."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lurge.errors import LurgeError
from lurge.logs import batch_job
from lurge.pipeline.outcome import VolumeOutcome
from lurge.tickets import DIRECTORY_VARIABLE, JobTracker, JobTrackerError, this_process

if TYPE_CHECKING:
    from lurge.config import Config

SECONDS_BETWEEN_SIGNS = 60
STALE_SECONDS = 3600

log = logging.getLogger(__name__)


def tracker_of(config: Config) -> JobTracker:
    """The tickets of a site."""
    return JobTracker(config.tickets.directory, config.tickets.jobs)


def ticket_of(config: Config, job: str, ranks: int) -> JobTicket:
    """A new ticket for a site's job."""
    return JobTicket(tracker_of(config), job, str(config.file), ranks, config.tickets.stale_seconds)


@contextmanager
def tool_ticket(job: str, step: str, source: str) -> Iterator[dict[str, Any]]:
    """Keep a ticket of one step for a command that needs no site, where $JOB_DATA_BASEDIR says that it is wanted.

    What is put into the yielded dict becomes part of the step's entry.
    """
    if not os.environ.get(DIRECTORY_VARIABLE):
        yield {}
        return
    ticket = JobTicket(JobTracker(), job, source)
    with ticket.closing(), ticket.step(step) as facts:
        yield facts
    ticket.close(0)


def is_of(document: dict[str, Any], job: str, source: str) -> bool:
    """Whether a ticket is of a job of one site."""
    return bool(document["job_name"] == job and document["context"].get("config") == source)


class JobTicket:
    """The ticket of one run. A job is not stopped by what cannot be written into it: that is a warning."""

    def __init__(
        self, tracker: JobTracker, job: str, source: str, ranks: int = 1, stale_seconds: int = STALE_SECONDS
    ) -> None:
        """Mark what died as such, and make a ticket for `job`. source: by what the next run of the job is known."""
        self._tracker = tracker
        self._closed = threading.Event()
        self.died: dict[str, Any] | None = None
        self.ticket_id = ""
        try:
            marked = tracker.monitor(stale_seconds, concerns=lambda one: is_of(one, job, source))
            for dead, why in marked.items():
                log.warning("ticket %s is marked as failed: %s", dead, why)
            self.died = self._last_died(job, source)
            context = {"config": source, "ranks": ranks, "batch_job": batch_job(), "process": this_process()}
            if self.died:
                context["continues"] = self.died["job_ticket_id"]
                log.warning("going on where ticket %s died", context["continues"])
            self.ticket_id = tracker.init_tracker_file(job, context)["job_ticket_id"]
        except (JobTrackerError, OSError) as error:
            log.warning("no ticket is kept: %s", error)
        threading.Thread(target=self._sign, daemon=True, name="ticket").start()

    def _last_died(self, job: str, source: str) -> dict[str, Any] | None:
        """The last run of the same job, if it died."""
        last = next((one for one in self._tracker.newest_jobs(job_name=job) if is_of(one, job, source)), None)
        return last if last and "died" in last["context"] else None

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Do a step; what is put into the yielded dict becomes part of its entry. `failed` in it: what of it failed."""
        facts: dict[str, Any] = {}
        self._try("begin_step", name)
        try:
            yield facts
        except BaseException as error:
            expected = isinstance(error, LurgeError | SystemExit)
            said = str(error) if expected else f"{type(error).__name__}: {error}"
            self._try("fail_step", said, **facts)
            raise
        if facts.get("failed"):
            self._try("fail_step", f"failed: {', '.join(facts['failed'])}", **facts)
        else:
            self._try("finish_step", ends_job=False, **facts)

    def note_volume(self, outcome: VolumeOutcome, dated: bool = False) -> None:
        """Put what became of a volume into the context; dated: of many dates, each by itself."""
        facts = outcome.as_json()
        name = facts.pop("volume")
        self.note({"volumes": {f"{name} {outcome.record_date}" if dated else name: facts}})
        if outcome.error:
            self._try("append_error", f"{outcome.volume}: {outcome.error.message}")

    def note(self, context: Mapping[str, Any]) -> None:
        """Add to the context."""
        self._try("merge_context", context)

    def _sign(self) -> None:
        """Show now and then that the process is alive, until the ticket is closed."""
        while not self._closed.wait(SECONDS_BETWEEN_SIGNS):
            self._try("update_timestamp_file")

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Whatever error ends the job, its ticket says so."""
        try:
            yield
        except BaseException as error:
            self.close(error.exit_status if isinstance(error, LurgeError) else 1)
            raise

    def close(self, exit_status: int) -> None:
        """Set the job's status: success only where everything was done."""
        self._closed.set()
        self.note({"exit_status": exit_status})
        self._try("set_status", "failure" if exit_status else "success")

    def _try(self, name: str, *arguments: Any, **named: Any) -> None:
        if not self.ticket_id:
            return
        try:
            getattr(self._tracker, name)(self.ticket_id, *arguments, **named)
        except JobTrackerError as error:
            log.warning("ticket %s: %s", self.ticket_id, error)
