"""Memory that processes share, and text that lies in it until it was read."""

from __future__ import annotations

import gc
import gzip
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lurge.aggregate.standard import STANDARD
from lurge.errors import VolumeError
from lurge.kernels.attribute import RECORDS
from lurge.model.dump import Dump, Volume
from lurge.model.paths import PathAliases
from lurge.parallel.blocks import Buffers, Text
from lurge.parallel.comm import ThreadComm, thread_comms
from lurge.parallel.controller import Controller
from lurge.parallel.messages import (
    Ask,
    Blocks,
    HandOver,
    Message,
    Prepare,
    ReadVolume,
    SharedBlocks,
    Stop,
    Tallies,
    VolumeFailed,
    VolumeRead,
    VolumeTask,
    WorkFailed,
)
from lurge.parallel.shared import SharedMemory, attach, share
from lurge.parallel.threads import start_thread
from tests.passes import StandardPass
from tests.site import TODAY, Entry

READ_AND_ANSWER = """
import pickle, sys
from lurge.parallel.shared import attach
from tests.passes import StandardPass
text = attach(pickle.loads(sys.stdin.buffer.read()))
print(bytes(text[5:8]).decode())
text[0] = 33
"""
SECONDS = 30


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    shared = SharedMemory(1 << 20)
    yield shared
    shared.close()


def test_emptied_memory_takes_none(memory: SharedMemory) -> None:
    memory.text[:] = 1
    blocks = os.fstat(memory.place.descriptor).st_blocks
    memory.empty()
    assert os.fstat(memory.place.descriptor).st_blocks == 0 < blocks
    assert not memory.text.any()


def test_another_process_sees_shared_memory(memory: SharedMemory) -> None:
    memory.text[5:8] = np.frombuffer(b"abc", np.uint8)
    command = [sys.executable, "-c", READ_AND_ANSWER]
    done = subprocess.run(command, input=pickle.dumps(memory.place), capture_output=True, check=True)
    assert done.stdout == b"abc\n"
    assert memory.text[0] == 33


def test_shared_memory_that_is_gone_is_not_seen(memory: SharedMemory, tmp_path: Path) -> None:
    assert attach(memory.place) is not None
    assert attach(replace(memory.place, node="another")) is None
    assert attach(replace(memory.place, size=2 << 20)) is None
    assert attach(replace(memory.place, process=2**22 + 1)) is None
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 20)
        assert attach(replace(memory.place, descriptor=file.fileno())) is None
    closed = SharedMemory(10)
    closed.close()
    assert attach(closed.place) is None


def test_a_system_without_shared_memory_shares_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert share(10) is None


def test_buffers_in_shared_memory_are_used_first(memory: SharedMemory) -> None:
    buffers = Buffers(1 << 18, memory.text)
    texts = [buffers.lend(buffers.take(1)) for _ in range(5)]
    assert {memory.offset(text) for text in texts} == {0, 1 << 18, 2 << 18, 3 << 18, None}
    assert memory.offset(texts[0][100:200]) == (memory.offset(texts[0]) or 0) + 100


def write_dump(folder: Path) -> tuple[VolumeTask, bytes]:
    """A dump as plain text of many times a buffer, and how it is to be read."""
    (folder / "b").write_text("10\t/p\n")
    text = b"".join(Entry(f"/p/{'x' * 400}/{number}", number).line() for number in range(60_000))
    (folder / "d").write_bytes(text)
    dump = Dump(Volume("scratch101", "/p"), folder / "d", TODAY, len(text))
    return VolumeTask(dump, folder / "b", (), (), (), PathAliases(), 250, STANDARD), text


def next_message(comm: ThreadComm, *kinds: type[Message]) -> Any:
    """The next message of some kinds."""
    while (received := comm.receive(SECONDS)) is not None:
        if isinstance(received.message, kinds):
            return received.message
    raise TimeoutError


@pytest.mark.parametrize("shares", [True, False])
def test_text_stays_as_it_is_until_it_was_read(tmp_path: Path, shares: bool) -> None:
    """A worker that reads four batches late finds in each what was sent; where it sees no memory, text travels.

    While it asks for nothing, the controller reads the batches. What is late of an assignment before changes nothing.
    """
    task, text = write_dump(tmp_path)
    coordinator, controller, worker = thread_comms(3)
    start_thread(Controller(controller).run, "controller")
    coordinator.send(1, ReadVolume(0, 7, task, (2,)))
    orders = next_message(worker, Prepare)
    shared = attach(orders.memory)
    assert shared is not None
    lines = text.splitlines(keepends=True)
    waiting: list[Blocks | SharedBlocks] = []
    sent = 0
    for _ in range(4):
        worker.send(1, Ask(7, shares, False))
    while not isinstance(message := next_message(worker, Blocks, SharedBlocks, HandOver), HandOver):
        waiting.append(message)
        sent += message.lines
        if len(waiting) == 4:
            check_text(waiting.pop(0), shared, shares, lines)
            # Now the reader gets ahead.
            time.sleep(0.1)
            worker.send(1, Ask(7, shares, True))
    for message in waiting:
        check_text(message, shared, shares, lines)
    worker.send(1, Ask(6, shares, True))
    worker.send(1, WorkFailed(6, VolumeError("late")))
    export = StandardPass(orders.rules).export()
    worker.send(1, Tallies(7, export, {"read": 0.0, "wait": 0.0}))
    report = next_message(coordinator, VolumeRead, VolumeFailed)
    assert (report.number, report.lines) == (0, 60_000)
    assert report.export.counted.counters.records[RECORDS] == 60_000 - sent > 0
    coordinator.send(1, Stop(0))


def test_a_dump_that_fails_leaves_no_memory_behind(tmp_path: Path) -> None:
    """Not even until cycles are looked for, which in a long job is seldom."""
    task, text = write_dump(tmp_path)
    task.dump.path.write_bytes(gzip.compress(text, mtime=0)[:-100])
    coordinator, controller, worker = thread_comms(3)
    start_thread(Controller(controller).run, "controller")
    gc.disable()
    try:
        coordinator.send(1, ReadVolume(0, 7, task, (2,)))
        next_message(worker, Prepare)
        for _ in range(99):
            worker.send(1, Ask(7, True, False))
        assert next_message(coordinator, VolumeFailed).number == 0
        coordinator.send(1, Stop(0))
        ends = time.monotonic() + SECONDS
        while "memfd:lurge" in Path("/proc/self/maps").read_text():
            assert time.monotonic() < ends
            time.sleep(0.05)
    finally:
        gc.enable()


def check_text(message: Blocks | SharedBlocks, shared: Text, shares: bool, lines: list[bytes]) -> None:
    """Check that a message of blocks has the lines that it should have."""
    assert isinstance(message, SharedBlocks) == shares
    text = message.text if isinstance(message, Blocks) else shared[message.start : message.end]
    first = message.first_line - 1
    assert text.tobytes() == b"".join(lines[first : first + message.lines])
