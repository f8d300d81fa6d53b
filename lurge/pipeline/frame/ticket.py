"""The ticket of one run: its steps, its facts and errors, and signs that it is alive."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lurge.errors import LurgeError
from lurge.logs import batch_job
from lurge.pipeline.frame.outcome import exit_status_of
from lurge.pipeline.frame.recipe import Recipe
from lurge.tickets import DIRECTORY_VARIABLE, JobTracker, JobTrackerError, this_process

if TYPE_CHECKING:
    from lurge.config import Config

SECONDS_BETWEEN_SIGNS = 60
STALE_SECONDS = 3600

log = logging.getLogger(__name__)


def tracker_of(config: Config, recipes: Iterable[Recipe] = ()) -> JobTracker:
    """The tickets of a site. recipes: the jobs that it shall know, beside those that are shipped and the site's own."""
    return JobTracker(config.tickets.directory, config.tickets.jobs, jobs_of(recipes))


def jobs_of(recipes: Iterable[Recipe]) -> dict[str, tuple[str, ...]]:
    """The steps of jobs by their names, as recipes declare them."""
    return {recipe.name: recipe.steps for recipe in recipes}


def ticket_of(config: Config, recipe: Recipe, ranks: int = 1) -> JobTicket:
    """A new ticket for a job of a site."""
    return JobTicket(tracker_of(config, [recipe]), recipe.name, str(config.file), ranks, config.tickets.stale_seconds)


def tool_ticket(recipe: Recipe, source: str) -> JobTicket:
    """A new ticket for a job that needs no site. It is kept only if $JOB_DATA_BASEDIR says where."""
    tracker = JobTracker(jobs=jobs_of([recipe])) if os.environ.get(DIRECTORY_VARIABLE) else None
    return JobTicket(tracker, recipe.name, source)


def is_of(document: dict[str, Any], job: str, source: str) -> bool:
    """True if a ticket belongs to a job of one source."""
    return bool(document["job_name"] == job and document["context"].get("config") == source)


def last_died(tracker: JobTracker, job: str, source: str) -> dict[str, Any] | None:
    """The document of a job's last run, if that run died."""
    last = next((document for document in tracker.newest_jobs(job_name=job) if is_of(document, job, source)), None)
    return last if last and "died" in last["context"] else None


def text_of(error: BaseException) -> str:
    """An error as a ticket holds it: with its type, unless it is one that lurge expects."""
    is_expected = isinstance(error, LurgeError | SystemExit)
    return str(error) if is_expected else f"{type(error).__name__}: {error}"


class JobTicket:
    """The ticket of one run. If it cannot be written, that is a warning, and the job goes on.

    died: the document of the run before this one, if that run died.
    """

    def __init__(
        self, tracker: JobTracker | None, job: str, source: str, ranks: int = 1, stale_seconds: int = STALE_SECONDS
    ) -> None:
        """Mark runs that died, and make a ticket for `job`, or none without a tracker.

        source: tells the runs of this job from those of another site.
        """
        self._tracker = tracker
        self._closed = threading.Event()
        self.died: dict[str, Any] | None = None
        self.ticket_id = ""
        self._recorded: BaseException | None = None
        if tracker is None:
            return
        try:
            marked = tracker.monitor(stale_seconds, concerns=lambda document: is_of(document, job, source))
            for dead, why in marked.items():
                log.warning("ticket %s is marked as failed: %s", dead, why)
            self.died = last_died(tracker, job, source)
            context = {"config": source, "ranks": ranks, "batch_job": batch_job(), "process": this_process()}
            if self.died:
                context["continues"] = self.died["job_ticket_id"]
                log.warning("going on where ticket %s died", context["continues"])
            self.ticket_id = tracker.init_tracker_file(job, context)["job_ticket_id"]
        except (JobTrackerError, OSError) as error:
            log.warning("no ticket is kept: %s", error)
        threading.Thread(target=self._sign, daemon=True, name="ticket").start()

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Do a step. What is put into the yielded dict becomes part of its entry; `failed` in it names failed parts."""
        facts: dict[str, Any] = {}
        self._try("begin_step", name)
        try:
            yield facts
        except BaseException as error:
            self._recorded = error
            self._try("fail_step", text_of(error), **facts)
            raise
        if facts.get("failed"):
            self._try("fail_step", f"failed: {', '.join(facts['failed'])}", **facts)
        else:
            self._try("finish_step", ends_job=False, **facts)

    def append_error(self, error: str) -> None:
        """Add an error to those that were met; the job goes on."""
        self._try("append_error", error)

    def note(self, context: Mapping[str, Any]) -> None:
        """Add to the context."""
        self._try("merge_context", context)

    def _sign(self) -> None:
        """Show once a minute that the process is alive, until the ticket is closed."""
        while not self._closed.wait(SECONDS_BETWEEN_SIGNS):
            self._try("update_timestamp_file")

    @contextmanager
    def closing(self) -> Iterator[None]:
        """If an error ends the block, record it, and close the ticket as a failure."""
        try:
            yield
        except BaseException as error:
            if error is not self._recorded:
                self.append_error(text_of(error))
            self.close(exit_status_of(error))
            raise

    def close(self, exit_status: int) -> None:
        """Set the job's status: success if its exit status is 0."""
        self._closed.set()
        self.note({"exit_status": exit_status})
        self._try("set_status", "failure" if exit_status else "success")

    def _try(self, name: str, *arguments: Any, **named: Any) -> None:
        """Call a method of the tracker on this ticket, if there is one."""
        if not self.ticket_id:
            return
        try:
            getattr(self._tracker, name)(self.ticket_id, *arguments, **named)
        except JobTrackerError as error:
            log.warning("ticket %s: %s", self.ticket_id, error)
