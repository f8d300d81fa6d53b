"""Decorators that compile kernels, and the constants that keep them from being compiled twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core.registry import cpu_target

from lurge.fallbacks import fall_back

UNDOCUMENTED: dict[str, tuple[bool, str]] = {
    "_nrt": (False, "kernels count references, and reading takes much longer"),
    "no_cfunc_wrapper": (True, "compiling takes longer"),
    "no_cpython_wrapper": (True, "compiling takes longer"),
    "forceinline": (True, "reading takes longer"),
}
"""Options of numba that may go: their values, and what happens without them.

_nrt: kernels allocate nothing, so they need no reference counts. With them, every call of one kernel by another counts
each of the arrays it passes, and a pass takes five times as long.
"""


def options(*names: str) -> dict[str, Any]:
    """Options for numba: without the interpreter's lock, without bounds checks, and those of `names` that it has."""
    chosen: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
    for name in names:
        value, consequence = UNDOCUMENTED[name]
        if hasattr(cpu_target.options, name):
            chosen[name] = value
        else:
            fall_back(f"numba's option {name}", consequence)
    return chosen


OPTIONS = options("_nrt", "no_cfunc_wrapper")
INTERNAL = OPTIONS | options("no_cpython_wrapper")


def compiled(function: Callable[..., Any]) -> Any:
    """Decorate a kernel that Python calls."""
    kernel = njit(**OPTIONS)(function)
    try:
        from lurge.kernels.cache import KernelCache

        kernel._cache = KernelCache(function)
    except (ImportError, AttributeError, TypeError):
        fall_back("numba's classes of caches", "a damaged file of a compiled kernel must be removed by hand")
        kernel.enable_caching()
    return kernel


def is_kept(kernel: Any) -> bool:
    """True if the compiled code of a kernel is on disk."""
    cache = kernel._cache
    return bool(cache.is_kept()) if hasattr(cache, "is_kept") else False


internal_kernel = njit(**INTERNAL)
"""Decorates a kernel that only kernels may call: it is kept as part of these, and nothing is compiled for Python."""

inline_kernel = njit(**INTERNAL | options("forceinline"))
"""Decorates one that is called for every record: a call hands over every array of a tuple one by one."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constants: a literal would make numba compile the called kernel once for each value."""
