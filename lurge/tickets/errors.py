"""Errors of tickets."""

from __future__ import annotations


class JobTrackerError(Exception):
    """Something is wrong with a ticket, or with the directory of tickets."""


class InvalidTicketId(JobTrackerError):  # noqa: N818 - named after the fault
    """A text that is not a ticket id. It never becomes part of a path."""


class TicketNotFound(JobTrackerError):  # noqa: N818
    """No ticket has this id."""


class InvalidDocument(JobTrackerError):  # noqa: N818
    """A document that does not match the schema. It is never written."""


class UnknownJob(JobTrackerError):  # noqa: N818
    """No job has this name."""
