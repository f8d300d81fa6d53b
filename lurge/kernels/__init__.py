"""Everything that numba compiles: how, and the loops over bytes and records themselves."""

import os

from lurge.kernels.places import CACHE, CACHE_VARIABLE

# numba looks for these when it is imported, which only modules of this folder do. Higher levels of optimization compile
# for longer, and the kernels are as fast (docs/performance.md).
os.environ[CACHE_VARIABLE] = str(CACHE)
os.environ.setdefault("NUMBA_OPT", "1")
