"""People who ask, and the groups that they may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Somebody who asks. groups: names of the groups that they may see; None for all."""

    name: str
    groups: frozenset[str] | None = frozenset()

    @property
    def sees_all(self) -> bool:
        return self.groups is None


EVERYBODY = Person("", None)
"""Anybody, where access is open."""
