"""Outcomes of jobs, and the exit statuses that follow from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from lurge.errors import LurgeError, VolumeError


def exit_status_of(error: BaseException) -> int:
    """The exit status of a process that an error ends."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    # The status of a volume's error is for jobs that go on with other volumes.
    return error.exit_status if isinstance(error, LurgeError) and not isinstance(error, VolumeError) else 1


@dataclass
class Outcome:
    """The outcome of a job that came to its end. Each recipe adds its own fields.

    error: what failed on the way.
    """

    error: LurgeError | None = field(default=None, kw_only=True)

    @property
    def exit_status(self) -> int:
        """0 if everything is done, 3 if a part of it failed. A recipe that may do nothing at all has 1 for that."""
        return 3 if self.error else 0

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        own = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "error"}
        return {**own, "error": self.error.message if self.error else None, "exit_status": self.exit_status}

    def lines(self) -> Iterator[str]:
        """The outcome for people."""
        if self.error:
            yield f"  {self.error.message}"
            yield f"  -> {self.error.advice}"

    def advice(self) -> Iterator[str]:
        """Advice on each failure, for a log that has the failures already."""
        if self.error:
            yield f"-> {self.error.advice}"
