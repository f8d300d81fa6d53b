"""One run of a recipe: ticket, lock, steps, progress, interrupts and exit status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from lurge.pipeline.frame.interrupted import told_if_interrupted
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.frame.progress import Unwatched
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import JobTicket, ticket_of

if TYPE_CHECKING:
    from lurge.config import Config
    from lurge.parallel.coordinator import Watcher
    from lurge.store.database import Database
    from lurge.store.database.lock import RunLock

T = TypeVar("T")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class Job:
    """A recipe while it runs.

    watcher: sees the job's progress. outcome: set by the recipe at its end. state: says, if a signal ends the job, what
    is done so far and what to do.
    """

    def __init__(
        self, recipe: Recipe, ticket: JobTicket, database: Database | None, watcher: Watcher, resources: ExitStack
    ) -> None:
        self.recipe = recipe
        self.ticket = ticket
        self.watcher = watcher
        self.outcome: Outcome | None = None
        self.state: Callable[[], str] = lambda: "Run the same command again"
        self._database = database
        self._lock: RunLock | None = None
        self._resources = resources

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """Do one of the declared steps. What is put into the yielded dict becomes part of its entry in the ticket.

        Raises LockHeld in the first step if another run changes the area, ValueError for a step that is not declared.
        """
        if name not in self.recipe.steps:
            raise ValueError(f"{self.recipe.name} declares no step {name!r}")
        with self.ticket.step(name) as facts:
            self._take_lock()
            yield facts

    def keep(self, resource: AbstractContextManager[T]) -> T:
        """Enter a context that ends with the job, such as a lock of the recipe's own."""
        return self._resources.enter_context(resource)

    @property
    def database(self) -> Database:
        """The database whose area the job changes."""
        if self._database is None:
            raise ValueError(f"{self.recipe.name} works on no database")
        return self._database

    @property
    def lock(self) -> RunLock:
        """The lock of the area. Confirm it before each commit: a server that was restarted has forgotten it."""
        if self._lock is None:
            raise ValueError(f"{self.recipe.name} has no lock before its first step, or without an area")
        return self._lock

    def _take_lock(self) -> None:
        if self.recipe.area and self._lock is None:
            from lurge.store.database.lock import sole_run

            self._lock = self.keep(sole_run(self.database, self.recipe.area, self.recipe.name))


@contextmanager
def open_job(
    recipe: Recipe, ticket: JobTicket, database: Database | None = None, watcher: Watcher | None = None
) -> Iterator[Job]:
    """Begin a job. At the end its ticket is closed with its exit status, then everything that it kept is released.

    database: the one whose area the recipe changes, if it has an area.
    """
    with ExitStack() as resources:
        job = Job(recipe, ticket, database, watcher or Unwatched(), resources)
        with ticket.closing(), told_if_interrupted(lambda: job.state()):
            yield job
            ticket.close(job.outcome.exit_status if job.outcome else 0)


def run_job(recipe: Recipe, config: Config, work: Callable[[Job], OutcomeT], watcher: Watcher) -> OutcomeT:
    """Run a recipe on one process for a configured site, and return the outcome of `work`.

    Any error of `work` closes the ticket as a failure, and is raised again.
    """
    from lurge.store.database import Database

    database = Database(config.database) if recipe.area else None
    try:
        with open_job(recipe, ticket_of(config, recipe), database, watcher) as job:
            outcome = work(job)
            job.outcome = outcome
    finally:
        if database:
            database.close()
    return outcome
