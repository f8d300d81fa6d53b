"""What a job says when a signal ends it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from lurge.pipeline.outcome import State, VolumeOutcome

log = logging.getLogger(__name__)


@contextmanager
def told_if_interrupted(left: Callable[[], str]) -> Iterator[None]:
    """Say what is done and what to do, if a signal ends what happens within; left: gives the text."""
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        log.warning("%s. %s", error if str(error) else "interrupted", left())
        raise


def stored_so_far(done: Sequence[VolumeOutcome]) -> str:
    """The volumes that a run has stored, and how to go on."""
    stored = [f"{one.volume} ({one.record_date})" for one in done if one.state is State.STORED]
    return (
        f"Stored: {', '.join(stored) or 'nothing'}; every other volume is as it was before."
        " The same command reads what is not stored yet; after --force, name the volumes that are left"
    )
