"""The contract of the communicator under MPI, for pytest-mpi; test_comm.py runs it.

    mpiexec -n 3 python -m pytest --with-mpi --exitfirst tests/contract/on_ranks.py

Its name keeps it out of runs without mpiexec.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from lurge.parallel import comm as comm_module
from lurge.parallel.comm import Comm, MpiComm, connect
from lurge.parallel.ranks import start_mpi
from tests.contract.communicator import (
    CONTRACT,
    LARGE,
    RANKS,
    SECONDS_TO_ARRIVE,
    name_of,
    ranks_that_send_large_messages_to_each_other_do_not_wait_for_each_other,
)

pytestmark = pytest.mark.mpi(min_size=RANKS)


@pytest.fixture(scope="module")
def comm(request: pytest.FixtureRequest) -> Iterator[MpiComm]:
    """This rank's end. After a failure it is not finished, because messages may be left that nobody takes."""
    connected = connect()
    assert isinstance(connected, MpiComm)
    yield connected
    if request.session.testsfailed:
        atexit.register(leave)
    else:
        connected.finish()


def leave() -> None:
    """End this process, and with it all ranks, when each has shown its failure."""
    sys.stdout.flush()
    time.sleep(1)
    os._exit(1)


@contextmanager
def passing_on_every_rank() -> Iterator[None]:
    """Wait for the other ranks at the end of the block, and fail if it failed on any: none goes on alone."""
    failed = np.ones(1, np.int64)
    try:
        yield
        failed[0] = 0
    finally:
        ranks_that_failed = np.zeros(1, np.int64)
        world = start_mpi().COMM_WORLD
        counting = world.Iallreduce(failed, ranks_that_failed)
        ends = time.monotonic() + 2 * SECONDS_TO_ARRIVE
        while not counting.Test():
            if time.monotonic() > ends:
                world.Abort(1)
            time.sleep(0.001)
    assert ranks_that_failed[0] == 0, "it failed on another rank"


@pytest.mark.parametrize("behaviour", CONTRACT, ids=name_of)
def test_mpi(comm: MpiComm, behaviour: Callable[[Comm], None]) -> None:
    with passing_on_every_rank():
        behaviour(comm)


def test_messages_longer_than_a_piece_arrive_whole(comm: MpiComm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm_module, "PIECE_BYTES", LARGE // 4 - 1)
    with passing_on_every_rank():
        ranks_that_send_large_messages_to_each_other_do_not_wait_for_each_other(comm)
