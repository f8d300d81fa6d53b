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

    @property
    def is_admin(self) -> bool:
        """Whether this is somebody whom the configuration names, and not just anybody where access is open."""
        return self.sees_all and bool(self.name)


EVERYBODY = Person("", None)
"""Anybody, where access is open."""
