"""What any network must do, played by three ranks; under mpiexec it is run as a module."""

from __future__ import annotations

import sys
import time

import numpy as np

from lurge.stream import comm as comm_module
from lurge.stream.comm import Comm, MpiComm, connect
from lurge.stream.protocol import Message, Tag

MESSAGES = 200


def take(comm: Comm) -> Message:
    message = comm.receive(20)
    assert message is not None
    return message


def exchange(comm: Comm, large: int) -> None:
    """Every rank sends to every other at once; order, numbers and data must arrive as they were sent."""
    others = [rank for rank in range(comm.size) if rank != comm.rank]
    for number in range(MESSAGES):
        for other in others:
            data = np.full(number * 7, comm.rank * 10 + number % 7, np.uint8)
            comm.send(other, Tag.BLOCKS, number, -(2**62), data=data)
    for other in others:
        comm.send(other, Tag.REPORT, data=np.resize(np.arange(251, dtype=np.uint8), large))
    expected = dict.fromkeys(others, 0)
    done = 0
    while any(number <= MESSAGES for number in expected.values()) or (comm.rank == 0 and done < len(others)):
        source, tag, numbers, data = take(comm)
        if tag is Tag.DONE:
            done += 1
            continue
        number = expected[source]
        expected[source] += 1
        if number == MESSAGES:
            assert (tag, numbers, len(data)) == (Tag.REPORT, (), large)
            assert np.array_equal(data[:1000], np.arange(1000) % 251)
            assert data[-1] == (large - 1) % 251
        else:
            assert (tag, numbers) == (Tag.BLOCKS, (number, -(2**62)))
            assert np.array_equal(data, np.full(number * 7, source * 10 + number % 7))
    if comm.rank == 0:
        comm.stop_others(5)
    else:
        comm.send(0, Tag.DONE)
        assert take(comm).numbers == (5,)
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
