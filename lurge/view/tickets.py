"""Tickets as pages show them. What was read once is kept until its file changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from lurge.tickets import JobTracker, JobTrackerError
from lurge.tickets.files import TicketFiles, is_ticket_id

MOST_KEPT = 2000


@dataclass(frozen=True)
class Ticket:
    """The document of a ticket. It must not be changed: all requests share it."""

    document: dict[str, Any]

    @cached_property
    def is_valid(self) -> bool:
        """True if it has the form of a ticket. To find out takes longer than to read it."""
        return JobTracker.validate_json_schema(self.document)

    @property
    def management(self) -> dict[str, Any]:
        found = self.document.get("job_management")
        return found if isinstance(found, dict) else {}

    @property
    def age_key(self) -> tuple[str, str]:
        return str(self.document.get("creation_date")), str(self.document.get("job_ticket_id"))


def newest_tickets(directory: Path, count: int, status: str = "", job: str = "") -> list[dict[str, Any]]:
    """The newest tickets, at most so many, without damaged ones, as `JobTracker.newest_jobs` has them."""
    matching = [
        ticket
        for ticket in all_tickets(directory)
        if ticket.management
        and (not status or ticket.management.get("job_status") == status)
        and (not job or ticket.document.get("job_name") == job)
    ]
    matching.sort(key=lambda ticket: ticket.age_key, reverse=True)
    return [ticket.document for ticket in islice((one for one in matching if one.is_valid), count)]


def all_tickets(directory: Path) -> Iterator[Ticket]:
    """All tickets that can be read."""
    try:
        names = [path.name for path in directory.iterdir() if is_ticket_id(path.name)]
    except OSError:
        return
    for name in names:
        try:
            state = directory.joinpath(name, f"{name}.json").stat()
        except OSError:
            continue
        ticket = read_ticket(directory, name, (state.st_ino, state.st_ctime_ns, state.st_size))
        if ticket:
            yield ticket


@lru_cache(maxsize=MOST_KEPT)
def read_ticket(directory: Path, name: str, state: tuple[int, int, int]) -> Ticket | None:
    """A ticket, None if it cannot be read. state: of its file, which tells whether it changed."""
    files = TicketFiles(directory, name)
    try:
        return Ticket(files.read(files.document))
    except JobTrackerError:
        return None
