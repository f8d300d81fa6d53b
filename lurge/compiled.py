"""How kernels are compiled, and the constants that keep them from being compiled twice."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
SOURCES = ("compiled.py", "aggregate/*.py", "model/*.py", "stream/blocks.py", "source/synth/lines.py")


def existing_above(place: Path) -> Path:
    """The nearest folder that exists: where making this one would begin."""
    return next(parent for parent in (place, *place.parents) if parent.exists())


def find_cache() -> Path:
    """The folder of the compiled kernels: of these sources alone, and where every node finds it, if it can be.

    numba itself compiles again only what changed, not what calls it. Below $NUMBA_CACHE_DIR if that is set, else beside
    the sources, else in the home directory, else in a folder of this machine.
    """
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in package.glob(pattern)):
        digest.update(path.read_bytes())
    folder = f"kernels-{digest.hexdigest()[:12]}"
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given) if Path(given).name == folder else Path(given, folder)
    usual = (package / "__pycache__", Path(os.path.expanduser("~"), ".cache", "lurge"))
    for place in usual:
        if os.access(existing_above(place), os.W_OK | os.X_OK):
            return place / folder
    place = Path(tempfile.gettempdir()) / f"lurge-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place / folder if place.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp(prefix="lurge-"))


CACHE = find_cache()
os.environ[CACHE_VARIABLE] = str(CACHE)

# numba looks for the place when it is imported.
from numba import njit  # noqa: E402
from numba.core.caching import FunctionCache  # noqa: E402

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
"""Without the interpreter's lock, without bounds checks.

_nrt: kernels allocate nothing, so they need no reference counts; with them, every call of one kernel by another counts
each of the arrays it passes, and a pass takes five times as long.
"""

WITHIN: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True}


class KernelCache(FunctionCache):
    """Kernels on disk."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """As numba does it, but without importing first everything that only compiling needs."""
        return self._load_overload(signature, context)  # type: ignore[no-untyped-call]


def compiled(function: Callable[..., Any]) -> Any:
    """Decorates a kernel that Python calls."""
    kernel = njit(**OPTIONS)(function)
    kernel._cache = KernelCache(function)  # type: ignore[no-untyped-call]
    return kernel


within = njit(**WITHIN)
"""Decorates a kernel that only kernels may call: it is kept as part of these, and nothing is compiled for Python."""

inlined = njit(**WITHIN, forceinline=True)
"""Decorates one that is called for every record: a call hands over every array of a tuple one by one."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constants: a literal would make numba compile the called kernel once for each value."""
