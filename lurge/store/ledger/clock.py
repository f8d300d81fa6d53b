"""The time, as the tables hold it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
