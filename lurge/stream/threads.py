"""Roles as threads of one process."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def start_thread(role: Callable[[], object], name: str) -> None:
    """Play a role in a thread. As a rank's would, an exception that it does not expect ends the whole job."""

    def play() -> None:
        try:
            role()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threading.Thread(target=play, daemon=True, name=name).start()
