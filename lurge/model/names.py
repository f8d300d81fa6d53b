"""Groups by name."""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """A group's name and its PI's, None where it has none."""

    name: str
    pi: str | None
