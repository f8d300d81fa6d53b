"""An early end of a walk, with an answer about what was found."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lurge.source.pool import Stop


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """Turn the first interrupt from the keyboard into a wish to stop. The second one does what it did before."""
    stop, before = Stop(), signal.getsignal(signal.SIGINT)

    def interrupted(number: int, _: FrameType | None) -> None:
        if not stop.is_wanted:
            stop.ask()
            return
        signal.signal(number, before)
        signal.raise_signal(number)

    try:
        # A shell lets a command in the background ignore it.
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, interrupted)
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
        stop.close()
