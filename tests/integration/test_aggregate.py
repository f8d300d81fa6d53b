"""An aggregate that lurge does not know takes part in a pass on any number of ranks."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lurge.parallel.launch import find_mpiexec
from tests.site import Entry, Site

FILES, LINKS = 4000, 1500


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a dump of files, and of links of users 0 to 6."""
    site = Site(tmp_path_factory.mktemp("links"))
    site.configure("[mpi]\nblock_records = 20\n")
    site.base_directories((10, "/p"))
    entries = [Entry(f"/p/file{number}", 1, uid=number % 7) for number in range(FILES)]
    entries += [Entry(f"/p/link{number}", 1, uid=number % 7, type="l") for number in range(LINKS)]
    entries += [Entry("/p/gone", 1, uid=3, type="l", nlink=0)]
    site.dump(*entries)
    return site


def run(site: Site, ranks: int, expected: int) -> subprocess.CompletedProcess[str]:
    starter = [find_mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    command = [*starter, sys.executable, "-m", "tests.links", str(site.config), str(expected)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_an_aggregate_of_ones_own_is_counted_merged_and_exported(links: Site, ranks: int) -> None:
    done = run(links, ranks, LINKS)
    assert done.returncode == 0, done.stderr
    by_user = [(uid, len(range(uid, LINKS, 7))) for uid in range(7)]
    assert done.stdout == f"{by_user} {FILES}\n"


@pytest.mark.parametrize("ranks", [1, 5])
def test_an_aggregate_of_ones_own_is_reconciled(links: Site, ranks: int) -> None:
    done = run(links, ranks, LINKS + 1)
    assert done.returncode != 0
    assert f"expected links = links of the users: {LINKS + 1} is not {LINKS}" in done.stderr
