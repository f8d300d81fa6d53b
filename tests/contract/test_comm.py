"""Threads and MPI carry messages alike."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lurge.parallel.comm import PIECE_BYTES, thread_comms
from lurge.parallel.launch import find_mpiexec
from tests.contract.exchange import exchange

LARGE = 30_000_000


def test_threads() -> None:
    comms = thread_comms(3)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda comm: exchange(comm, LARGE), comms))


@pytest.mark.parametrize("piece", [PIECE_BYTES, 9_999_999])
def test_mpi(piece: int) -> None:
    command = [find_mpiexec(), "-n", "3", sys.executable, "-m", "tests.contract.exchange", str(LARGE), str(piece)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("exchanged") == 3
