"""When an event that cannot be applied yet is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

JITTER = 0.5


@dataclass(frozen=True)
class RetryPolicy:
    """The number of retries, and the pauses before them.

    A pause doubles with each attempt up to `longest`, and is then shortened by up to half at random, so that not all
    events come back at once. Both in seconds.
    """

    retries: int = 3
    first: float = 1.0
    longest: float = 60.0
    random: random.Random = field(default_factory=random.Random, compare=False)

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait before an attempt. attempt: from 1."""
        # More doublings than that would not fit into a float.
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 64)) * (1 - JITTER * self.random.random())
