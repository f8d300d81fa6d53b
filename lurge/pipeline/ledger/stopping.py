"""A clean stop of a resident process: it ends what it does, and within a few seconds in any case."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

LONGEST_STOP = 4.0
"""Seconds until the process ends even if a server does not answer. Nothing is lost by that: it is as if killed."""

STOPPED = 0

log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818  not an error, but a wish
    """The process is asked to stop."""


class Stop:
    """The wish of an operator that the process ends."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_wanted(self) -> bool:
        """True if the process was asked to stop."""
        return self._event.is_set()

    def ask(self) -> None:
        """Ask the process to stop."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped as soon as it is asked to stop."""
        if self._event.wait(seconds):
            raise Stopped

    def check(self) -> None:
        """Raise Stopped if it is asked to stop."""
        if self.is_wanted:
            raise Stopped


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGTERM, SIGINT and SIGHUP into a wish to stop. A server that hangs does not delay the end for long."""
    stop = Stop()

    def asked(number: int, _: FrameType | None) -> None:
        stop.ask()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    # A shell lets a command in the background ignore some.
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    with limited_stop(heard):
        for number in heard:
            signal.signal(number, asked)
        try:
            yield stop
        finally:
            for number in heard:
                signal.signal(number, before[number])


@contextmanager
def limited_stop(numbers: Sequence[int]) -> Iterator[None]:
    """End the process some seconds after one of the signals, if the block has not ended until then.

    A thread is told of signals at once. The interpreter's own handlers wait for libraries that wait for a server.
    """
    read_end, write_end = socket.socketpair()
    write_end.setblocking(False)

    def listen() -> None:
        while number := read_end.recv(1):
            if number[0] in numbers:
                time.sleep(LONGEST_STOP)
                if write_end.fileno() >= 0:
                    end_at_once()

    threading.Thread(target=listen, daemon=True, name="stop").start()
    before = signal.set_wakeup_fd(write_end.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        write_end.close()


def end_at_once() -> None:
    """End the process without waiting for anything."""
    log.warning("a server did not answer in time: the process ends without it")
    os._exit(STOPPED)
