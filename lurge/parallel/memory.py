"""Memory that a process no longer needs."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return free memory to the system, where the C library can: malloc_trim(3) of glibc.

    The arrays of one stage are seldom reused by the next, which runs in another thread.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
