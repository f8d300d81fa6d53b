"""The contract of the communicator under MPI, for pytest-mpi; test_comm.py runs it.

    mpiexec -n 3 python -m pytest --with-mpi --exitfirst tests/contract/on_ranks.py

Its name keeps it out of runs without mpiexec.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

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
def connected() -> Iterator[MpiComm]:
    comm = connect()
    assert isinstance(comm, MpiComm)
    yield comm
    comm.finish()


@pytest.fixture
def comm(connected: MpiComm) -> Iterator[MpiComm]:
    """This rank's end. A test begins when the test before it has ended on every rank."""
    yield connected
    everyone_is_here = start_mpi().COMM_WORLD.Ibarrier()
    ends = time.monotonic() + 2 * SECONDS_TO_ARRIVE
    while not everyone_is_here.Test():
        assert time.monotonic() < ends, "another rank is still in this test"
        time.sleep(0.001)


@pytest.mark.parametrize("behaviour", CONTRACT, ids=name_of)
def test_mpi(comm: MpiComm, behaviour: Callable[[Comm], None]) -> None:
    behaviour(comm)


# monkeypatch comes first and is therefore undone last, when every rank has received.
def test_messages_longer_than_a_piece_arrive_whole(monkeypatch: pytest.MonkeyPatch, comm: MpiComm) -> None:
    monkeypatch.setattr(comm_module, "PIECE_BYTES", LARGE // 4 - 1)
    ranks_that_send_large_messages_to_each_other_do_not_wait_for_each_other(comm)
