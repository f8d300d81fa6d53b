"""Logs in which every line names the rank and its role."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from typing import TextIO

from lurge.display import display, display_error

FORMAT = "%(asctime)s %(levelname)-7s %(where)s: %(message)s"

BATCH_VARIABLES = ("LSB_JOBID", "SLURM_JOB_ID")

_here = threading.local()


def set_role(rank: str, role: str, volume: str = "") -> None:
    """Set the rank (in words) and role in this thread's log lines. In the main thread, also set the process's title.

    volume: the volume that the process works on, shown in the title only.
    """
    _here.where = f"{rank} {role}"
    if threading.current_thread() is threading.main_thread():
        set_title(display(f"lurge: {volume} {role}" if volume else f"lurge: {role}"))


def set_title(title: str) -> None:
    """Set the process's title, which ps and top show, if setproctitle is installed."""
    # Without SPT_NOENV the title overwrites the environment, in which schedulers look for the number of a job.
    os.environ.setdefault("SPT_NOENV", "1")
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(title)


def batch_job() -> str | None:
    """The number of the scheduler's job that this process belongs to; None without a scheduler."""
    return next((os.environ[name] for name in BATCH_VARIABLES if name in os.environ), None)


class _Where(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        thread = threading.current_thread()
        alone = "lurge" if thread is threading.main_thread() else thread.name
        record.where = getattr(_here, "where", alone)
        return True


class _OneLine(logging.Formatter):
    """A formatter whose output is safe: no name in a record can change the terminal or forge another record."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = display(record.getMessage())
        record.asctime = self.formatTime(record)
        line = self.formatMessage(record)
        error = record.exc_info[1] if record.exc_info else None
        return f"{line}\n{display_error(error)}" if error else line


class _StandardError(logging.StreamHandler[TextIO]):
    """A handler that writes to the current sys.stderr, because progress bars replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def set_up_logs(verbosity: int) -> None:
    """Log to standard error. verbosity: -1 warnings only, 0 events, 1 details with the host's name."""
    handler = _StandardError()
    handler.addFilter(_Where())
    host = f"{socket.gethostname()} " if verbosity > 0 else ""
    handler.setFormatter(_OneLine(f"{host}{FORMAT}"))
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    root = logging.getLogger("lurge")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
