"""Without an undocumented interface of a library, numbers are the same, and one warning says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.site import Entry, Site

PROGRAM = """
import sys
{taken}
from lurge.__main__ import main
sys.argv[1:] = {arguments!r}
main()
"""

TAKEN = {
    "numba's option _nrt": """
from numba.core.cpu import CPUTargetOptions
del CPUTargetOptions.__mro__[1]._nrt
""",
    "numba's option forceinline": """
from numba.core.cpu import CPUTargetOptions
del CPUTargetOptions.__mro__[1].forceinline
""",
    "numba's classes of caches": """
import sys
import types
import numba.core.caching as caching
fewer = types.ModuleType(caching.__name__)
fewer.__dict__.update(caching.__dict__)
del fewer.IndexDataCacheFile
sys.modules[caching.__name__] = fewer
""",
    "llvmlite's typed pointers": """
from llvmlite import ir
typed = ir.PointerType
ir.PointerType = lambda *_: None
import lurge.kernels.wide
ir.PointerType = typed
""",
    "isal's _GzipReader": """
from isal import isal_zlib
del isal_zlib._GzipReader
""",
    "memory of Linux that processes share by /proc": """
import os
del os.memfd_create
""",
}
NEEDS_RANKS = "memory of Linux that processes share by /proc"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose report was printed once."""
    site = Site(tmp_path_factory.mktemp("fallbacks"))
    site.base_directories((10, "/p"))
    site.dump(*(Entry(f"/p/{number % 7}/file{number}.bam", number, uid=number % 5) for number in range(3000)))
    site.run()
    return site


@pytest.mark.parametrize("interface", TAKEN)
def test_without_an_undocumented_interface_numbers_are_the_same(
    site: Site, tmp_path_factory: pytest.TempPathFactory, interface: str
) -> None:
    expected = site.tsv("inspector-reports"), site.tsv("user-reports")
    arguments = ["report", "--force", "--config", str(site.config)]
    if interface == NEEDS_RANKS:
        arguments += ["-n", "3"]
    program = PROGRAM.format(taken=TAKEN[interface], arguments=arguments)
    # Kernels that were compiled with everything must not be found.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("kernels"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (site.tsv("inspector-reports"), site.tsv("user-reports")) == expected
    assert done.stderr.count(f"{interface} is missing") == 1, done.stderr
