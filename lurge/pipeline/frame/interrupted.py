"""The last words of a job that a signal ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def told_if_interrupted(state: Callable[[], str]) -> Iterator[None]:
    """If a signal ends the block, log what is done so far and what to do, as `state` says it."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        log.warning("%s. %s", error if str(error) else "interrupted", state())
        raise
