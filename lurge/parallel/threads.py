"""Roles as threads of one process."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


def usable_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def start_thread(role: Callable[[], object], name: str) -> None:
    """Play a role in a thread. As a rank's would, an exception that it does not expect ends the whole job."""

    def play() -> None:
        try:
            role()
        except BaseException:
            log.critical("%s ends the job", name, exc_info=True)
            os._exit(1)

    threading.Thread(target=play, daemon=True, name=name).start()
