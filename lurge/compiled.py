"""How kernels are compiled, and the constants that keep them from being compiled twice."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CACHE_VARIABLE = "NUMBA_CACHE_DIR"


def find_cache() -> None:
    """Name a place for compiled kernels where neither this package's nor the home directory can be written."""
    home = os.path.expanduser("~")
    usual = (Path(__file__).parent, Path(home, ".cache"), Path(home))
    if os.environ.get(CACHE_VARIABLE) or any(os.access(place, os.W_OK) for place in usual):
        return
    place = Path(tempfile.gettempdir()) / f"lurge-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid == os.getuid():
        os.environ[CACHE_VARIABLE] = str(place)


find_cache()

from numba import njit  # noqa: E402 - numba looks for the place when it is imported

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "boundscheck": False,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
"""Without the interpreter's lock, cached on disk, without bounds checks.

_nrt: kernels allocate nothing, so they need no reference counts; with them, every call of one kernel by another counts
each of the arrays it passes, and a pass takes five times as long.
"""

WITHIN: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True}

compiled = njit(**OPTIONS)
"""Decorates a kernel that Python calls."""

within = njit(**WITHIN)
"""Decorates a kernel that only kernels may call: what Python would need to call it takes long to compile."""

inlined = njit(**WITHIN, forceinline=True)
"""Decorates one that is called for every record: a call hands over every array of a tuple one by one."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constants: a literal would make numba compile the called kernel once for each value."""
