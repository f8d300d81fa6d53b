"""Many processes write one ticket at the same time, and some are killed in the middle of a write."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from lurge.tickets import JobTracker
from lurge.tickets.files import TicketFiles

WRITERS, UPDATES = 6, 40


def count_up(directory: Path, ticket: str, name: str) -> None:
    """Add one to a counter that all share and to one of one's own, again and again."""
    tracker = JobTracker(directory)

    def add(document: dict) -> None:  # type: ignore[type-arg]
        context = document["context"]
        context["total"] = context.get("total", 0) + 1
        context[name] = context.get(name, 0) + 1

    for _ in range(UPDATES):
        tracker.change(ticket, add)


def test_no_update_is_lost_and_no_reader_sees_half(tmp_path: Path) -> None:
    tracker = JobTracker(tmp_path)
    ticket = tracker.init_tracker_file("create_asset")["job_ticket_id"]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=count_up, args=(tmp_path, ticket, f"w{i}")) for i in range(WRITERS)]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        for path in (tmp_path / ticket).glob(f"{ticket}*.json"):
            json.loads(path.read_bytes())
            reads += 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = tracker.get_tracker_file(ticket)["context"]
    assert found["total"] == WRITERS * UPDATES
    assert [found[f"w{i}"] for i in range(WRITERS)] == [UPDATES] * WRITERS
    assert reads > 10


def write_slowly(directory: Path, ticket: str) -> None:
    """Write for ever, slowly in the middle of every file."""
    original = os.fsync

    def slow(file: int) -> None:
        time.sleep(0.01)
        original(file)

    os.fsync = slow
    count_up_for_ever(directory, ticket)


def count_up_for_ever(directory: Path, ticket: str) -> None:
    while True:
        count_up(directory, ticket, "killed")


def test_a_writer_killed_in_a_write_leaves_a_whole_ticket(tmp_path: Path) -> None:
    tracker = JobTracker(tmp_path)
    ticket = tracker.init_tracker_file("create_asset")["job_ticket_id"]
    context = multiprocessing.get_context("spawn")
    last = 0
    for _ in range(8):
        writer = context.Process(target=write_slowly, args=(tmp_path, ticket))
        writer.start()
        while tracker.get_tracker_file(ticket)["context"].get("total", 0) <= last and writer.is_alive():
            time.sleep(0.005)
        time.sleep(random.random() * 0.03)
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        found = tracker.get_tracker_file(ticket)
        assert found["context"]["total"] > last
        last = found["context"]["total"]
        tracker.merge_context(ticket, {"alive": True})
    names = {path.name for path in (tmp_path / ticket).iterdir()}
    assert names == {".lock", f"{ticket}.json", f"{ticket}_TIMESTAMP.json"}
    assert TicketFiles(tmp_path, ticket).read(tmp_path / ticket / f"{ticket}.json")
