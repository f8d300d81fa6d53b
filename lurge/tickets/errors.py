"""What can be wrong with a ticket."""

from __future__ import annotations


class JobTrackerError(Exception):
    """Something is wrong with a ticket, or with the directory of tickets."""


class InvalidTicketId(JobTrackerError):  # noqa: N818 - what it is, not that it is an error
    """A text that is no ticket's id; it never becomes part of a path."""


class TicketNotFound(JobTrackerError):  # noqa: N818
    """No ticket has this id."""


class InvalidDocument(JobTrackerError):  # noqa: N818
    """A document that does not fit the schema; it is never written."""


class UnknownJob(JobTrackerError):  # noqa: N818
    """No job has this name."""
