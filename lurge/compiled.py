"""How kernels are compiled, and the constants that keep them from being compiled twice."""

from __future__ import annotations

from typing import Any

import numpy as np

OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}
"""Without the interpreter's lock, cached on disk, without bounds checks.

_nrt: kernels allocate nothing, so they need no reference counts; with them, every call of one kernel by another counts
each of the arrays it passes, and a pass takes five times as long.
"""

INLINE: dict[str, Any] = {**OPTIONS, "forceinline": True}
"""For kernels that are called for every record: a call hands over every array of a tuple one by one."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constants: a literal would make numba compile the called kernel once for each value."""
