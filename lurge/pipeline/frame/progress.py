"""Progress of a job that nobody watches."""

from __future__ import annotations


class Unwatched:
    """A watcher that shows nothing."""

    def compiled(self, kernels: int, total: int) -> None:
        """Compile kernels."""

    def started(self, volume: str, size: int) -> None:
        """Begin something of `size` bytes."""

    def advanced(self, volume: str, position: int, lines: int) -> None:
        """Go on to a position."""

    def ended(self, volume: str, problem: str | None) -> None:
        """End it."""
