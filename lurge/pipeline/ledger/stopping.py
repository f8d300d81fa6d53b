"""A clean stop of a resident process: it ends what it does, and within a few seconds in any case."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LONGEST_STOP = 4.0
"""Seconds until the process ends even if a server does not answer. Nothing is lost by that: it is as if killed."""

STOPPED = 0

log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  not an error, but a wish
    """The process shall end."""


class Stop:
    """The wish of an operator that the process ends."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_wanted(self) -> bool:
        return self._event.is_set()

    def ask(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as the process shall end."""
        if self._event.wait(seconds):
            raise Stopped

    def check(self) -> None:
        """Raise Stopped if the process shall end."""
        if self.is_wanted:
            raise Stopped


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGTERM, SIGINT and SIGHUP into a wish to stop. A server that hangs does not delay the end for long."""
    stop = Stop()

    def asked(number: int, _: FrameType | None) -> None:
        if not stop.is_wanted:
            stop.ask()
            timer = threading.Timer(LONGEST_STOP, end_at_once)
            timer.daemon = True
            timer.start()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    for number, handler in before.items():
        # A shell lets a command in the background ignore some.
        if handler is not signal.SIG_IGN:
            signal.signal(number, asked)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once() -> None:
    log.warning("a server did not answer in time: the process ends without it")
    os._exit(STOPPED)
