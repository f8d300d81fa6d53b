"""What any network must do, played by three ranks; under mpiexec it is run as a module."""

from __future__ import annotations

import sys
import time

import numpy as np

from lurge.parallel import comm as comm_module
from lurge.parallel.comm import Comm, MpiComm, Received, connect
from lurge.parallel.messages import Blocks, HandOver, Stop

MESSAGES = 200


def take(comm: Comm) -> Received:
    received = comm.receive(20)
    assert received is not None
    return received


def exchange(comm: Comm, large: int) -> None:
    """Every rank sends to every other at once; order, numbers and data must arrive as they were sent."""
    others = [rank for rank in range(comm.size) if rank != comm.rank]
    for number in range(MESSAGES):
        for other in others:
            data = np.full(number * 7, comm.rank * 10 + number % 7, np.uint8)
            comm.send(other, Blocks(number, -(2**62), 1, data))
    for other in others:
        comm.send(other, Blocks(MESSAGES, 0, 0, np.resize(np.arange(251, dtype=np.uint8), large)))
    expected = dict.fromkeys(others, 0)
    done = 0
    while any(number <= MESSAGES for number in expected.values()) or (comm.rank == 0 and done < len(others)):
        source, message = take(comm)
        if isinstance(message, HandOver):
            done += 1
            continue
        assert isinstance(message, Blocks)
        number = expected[source]
        expected[source] += 1
        data = message.text
        if number == MESSAGES:
            assert (message.assignment, message.lines, len(data)) == (MESSAGES, 0, large)
            assert np.array_equal(data[:1000], np.arange(1000) % 251)
            assert data[-1] == (large - 1) % 251
        else:
            assert (message.assignment, message.first_line, message.lines) == (number, -(2**62), 1)
            assert np.array_equal(data, np.full(number * 7, source * 10 + number % 7))
    if comm.rank == 0:
        comm.stop_others(5)
    else:
        comm.send(0, HandOver(0))
        assert take(comm).message == Stop(5)
    started = time.monotonic()
    assert comm.receive(0) is None
    assert comm.receive(0.05) is None
    assert time.monotonic() - started > 0.04


if __name__ == "__main__":
    large, piece = map(int, sys.argv[1:])
    comm_module.PIECE_BYTES = piece
    connected = connect()
    assert isinstance(connected, MpiComm)
    exchange(connected, large)
    connected.finish()
    print("exchanged")
