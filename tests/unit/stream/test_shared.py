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

import numpy as np
import pytest

from lurge.aggregate.aggregator import Aggregator
from lurge.model.dump import Dump, Volume
from lurge.model.paths import PathAliases
from lurge.stream.blocks import Buffers, Text
from lurge.stream.comm import ThreadComm, thread_comms
from lurge.stream.controller import Controller
from lurge.stream.protocol import Job, Message, Tag, pack_arrays, pack_object, unpack_object
from lurge.stream.shared import SharedMemory, attach, share
from lurge.stream.threads import start_thread
from tests.site import TODAY, Entry

READ_AND_ANSWER = """
import pickle, sys
from lurge.stream.shared import attach
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


def test_another_process_sees_it(memory: SharedMemory) -> None:
    memory.text[5:8] = np.frombuffer(b"abc", np.uint8)
    command = [sys.executable, "-c", READ_AND_ANSWER]
    done = subprocess.run(command, input=pickle.dumps(memory.place), capture_output=True, check=True)
    assert done.stdout == b"abc\n"
    assert memory.text[0] == 33


def test_what_is_not_there_is_not_seen(memory: SharedMemory, tmp_path: Path) -> None:
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


def test_a_system_may_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert share(10) is None


def test_buffers_of_it_come_first(memory: SharedMemory) -> None:
    buffers = Buffers(1 << 18, memory.text)
    texts = [buffers.lend(buffers.take(1)) for _ in range(5)]
    assert {memory.offset(text) for text in texts} == {0, 1 << 18, 2 << 18, 3 << 18, None}
    assert memory.offset(texts[0][100:200]) == (memory.offset(texts[0]) or 0) + 100


def write_dump(folder: Path) -> tuple[Job, bytes]:
    """A dump as plain text of many times a buffer, and how it is to be read."""
    (folder / "b").write_text("10\t/p\n")
    text = b"".join(Entry(f"/p/{'x' * 400}/{number}", number).line() for number in range(60_000))
    (folder / "d").write_bytes(text)
    dump = Dump(Volume("scratch101", "/p"), folder / "d", TODAY, len(text))
    return Job(dump, folder / "b", (), (), (), PathAliases(), 250), text


def next_message(comm: ThreadComm, *tags: Tag) -> Message:
    """The next message of some kinds."""
    while (message := comm.receive(SECONDS)) is not None:
        if message.tag in tags:
            return message
    raise TimeoutError


@pytest.mark.parametrize("shares", [True, False])
def test_text_stays_as_it_is_until_it_was_read(tmp_path: Path, shares: bool) -> None:
    """A worker that reads four batches late finds in each what was sent; where it sees no memory, text travels.

    What is late of an assignment before changes nothing.
    """
    job, text = write_dump(tmp_path)
    coordinator, controller, worker = thread_comms(3)
    start_thread(Controller(controller).run, "controller")
    coordinator.send(1, Tag.VOLUME, 0, 7, data=pack_object((job, [2])))
    rules = next_message(worker, Tag.RULES)
    shared = attach(unpack_object(rules.data)[1])
    assert shared is not None
    found = []
    waiting: list[Message] = []
    for _ in range(4):
        worker.send(1, Tag.ASK, 7, int(shares), 0)
    while (message := next_message(worker, Tag.BLOCKS, Tag.DONE)).tag is Tag.BLOCKS:
        waiting.append(message)
        if len(waiting) == 4:
            found.append(text_of(waiting.pop(0), shared, shares))
            worker.send(1, Tag.ASK, 7, int(shares), 1)
    found += [text_of(message, shared, shares) for message in waiting]
    assert b"".join(found) == text
    worker.send(1, Tag.ASK, 6, int(shares), 1)
    worker.send(1, Tag.FAILED, 6)
    report = Aggregator(unpack_object(rules.data)[0]).export()
    worker.send(1, Tag.REPORT, 7, 0, 0, data=pack_arrays(report))
    assert next_message(coordinator, Tag.REPORT, Tag.FAILED).numbers == (0, 60_000)
    coordinator.send(1, Tag.STOP, 0)


def test_a_dump_that_fails_leaves_no_memory_behind(tmp_path: Path) -> None:
    """Not even until cycles are looked for, which in a long job is seldom."""
    job, text = write_dump(tmp_path)
    job.dump.path.write_bytes(gzip.compress(text, mtime=0)[:-100])
    coordinator, controller, worker = thread_comms(3)
    start_thread(Controller(controller).run, "controller")
    gc.disable()
    try:
        coordinator.send(1, Tag.VOLUME, 0, 7, data=pack_object((job, [2])))
        next_message(worker, Tag.RULES)
        for _ in range(99):
            worker.send(1, Tag.ASK, 7, 1, 0)
        assert next_message(coordinator, Tag.FAILED).numbers == (0,)
        coordinator.send(1, Tag.STOP, 0)
        ends = time.monotonic() + SECONDS
        while "memfd:lurge" in Path("/proc/self/maps").read_text():
            assert time.monotonic() < ends
            time.sleep(0.05)
    finally:
        gc.enable()


def text_of(message: Message, shared: Text, shares: bool) -> bytes:
    """What a message of blocks says."""
    bounds = message.numbers[3:]
    assert bool(bounds) == shares
    return shared[slice(*bounds)].tobytes() if bounds else message.data.tobytes()
