"""Without an undocumented interface of a library, numbers are the same, and one warning says what is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.site import Entry, Site, run_lurge

TAKEN = {
    "numba's option _nrt, numba's option forceinline": """
from numba.core.cpu import CPUTargetOptions
del CPUTargetOptions.__mro__[1]._nrt
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
import lurge.kernels.compiling
import numba.core.runtime.nrtdynmod
typed = ir.PointerType
ir.PointerType = lambda *_: None
import lurge.kernels.wide
ir.PointerType = typed
""",
    "isal's _GzipReader": """
import types
import lurge.source.inflate as inflate
fewer = dict(vars(inflate.isal_zlib))
del fewer["_GzipReader"]
inflate.isal_zlib = types.SimpleNamespace(**fewer)
""",
    "memory of Linux that processes share by /proc": """
import os
del os.memfd_create
""",
}
"""The interfaces, and the program that takes them away from every process of a job, before anything else runs."""

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site whose dumps were reported on once."""
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
    folder = tmp_path_factory.mktemp("without")
    (folder / "sitecustomize.py").write_text(TAKEN[interface])
    environment = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    if "numba" in interface or "llvmlite" in interface:
        # Kernels that were compiled with everything must not be found.
        environment["NUMBA_CACHE_DIR"] = str(folder)
    ranks = ["-n", "3"] if "memory" in interface else []
    done = run_lurge("report", "--force", "--config", str(site.config), *ranks, env=environment)
    assert done.returncode == 0, done.stderr
    assert (site.tsv("inspector-reports"), site.tsv("user-reports")) == expected
    for name in interface.split(", "):
        assert f"{name} is missing" in done.stderr


@pytest.mark.parametrize("interface", TAKEN)
def test_doctor_names_what_is_missing(site: Site, tmp_path: Path, interface: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(TAKEN[interface])
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = run_lurge("doctor", "--json", "--config", str(site.config), env=environment)
    assert done.returncode == 0, done.stderr
    findings = [finding for finding in json.loads(done.stdout) if finding["topic"] == "interfaces"]
    names = interface.split(", ")
    assert sorted(finding["said"].partition(" is missing: ")[0] for finding in findings) == sorted(names)
    assert all(finding["verdict"] == "warning" and finding["advice"] for finding in findings)
