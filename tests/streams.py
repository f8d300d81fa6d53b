"""Text as a stream that arrives in pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lurge.parallel.blocks import Read


def arriving(pieces: Iterable[bytes]) -> Read:
    """What `cut` reads from, if at most one piece is there at a time."""
    left = deque(piece for piece in pieces if piece)

    def read(room: memoryview) -> int:
        if not left:
            return 0
        piece = left.popleft()
        count = min(len(room), len(piece))
        room[:count] = piece[:count]
        if count < len(piece):
            left.appendleft(piece[count:])
        return count

    return read
