"""Threads and MPI carry messages in the same way: both keep the contract of communicator.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lurge.parallel.comm import Comm, thread_comms
from lurge.parallel.launch import find_mpiexec
from tests.contract import on_ranks
from tests.contract.communicator import CONTRACT, RANKS, name_of

PROJECT = Path(__file__).parents[2]


@pytest.mark.parametrize("behaviour", CONTRACT, ids=name_of)
def test_threads(behaviour: Callable[[Comm], None]) -> None:
    with ThreadPoolExecutor(RANKS) as pool:
        list(pool.map(behaviour, thread_comms(RANKS)))


def test_mpi_keeps_the_contract_on_every_rank() -> None:
    """Under pytest-mpi: each rank runs the same tests, and all of them pass on each."""
    tests = str(Path(on_ranks.__file__).relative_to(PROJECT))
    # A rank that hangs ends all ranks, and shows where it was.
    options = ["--with-mpi", "--exitfirst", "--timeout=60", "--timeout-method=thread", "-p", "no:cacheprovider"]
    command = [find_mpiexec(), "-n", str(RANKS), sys.executable, "-m", "pytest", *options, tests]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stdout.count(f" {len(CONTRACT) + 1} passed in ") == RANKS, done.stdout
