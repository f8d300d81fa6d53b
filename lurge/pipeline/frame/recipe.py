"""The declaration of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lurge.store.database.area import Area


@dataclass(frozen=True)
class Recipe:
    """A job's name, the names of its steps in order, and the area of the database that it changes.

    The job takes the lock of its area in its first step, and holds it until it ends.
    """

    name: str
    steps: tuple[str, ...]
    area: Area | None = None
