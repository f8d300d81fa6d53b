"""Tickets: records of jobs, as JSON files that others can read while a job runs.

A package of its own: it needs nothing else of lurge, and any program may use it.

    tracker = JobTracker()
    ticket = tracker.init_tracker_file("create_asset", context={"batch": "2024-01"})["job_ticket_id"]
    tracker.begin_step(ticket)
    tracker.finish_step(ticket)
"""

from lurge.tickets.errors import InvalidDocument, InvalidTicketId, JobTrackerError, TicketNotFound, UnknownJob
from lurge.tickets.process import this_process
from lurge.tickets.tracker import DIRECTORY_VARIABLE, STATUSES, JobTracker, state_of

__all__ = [
    "DIRECTORY_VARIABLE",
    "STATUSES",
    "InvalidDocument",
    "InvalidTicketId",
    "JobTracker",
    "JobTrackerError",
    "TicketNotFound",
    "UnknownJob",
    "state_of",
    "this_process",
]
