from __future__ import annotations

from pathlib import Path

import pytest

from lurge.tickets import JobTracker
from lurge.view.tickets import newest_tickets

JOBS = {"one": ("a", "b"), "two": ("a",)}


@pytest.fixture
def tracker(tmp_path: Path) -> JobTracker:
    return JobTracker(tmp_path / "tickets", None, JOBS)


def test_a_ticket_is_read_again_after_it_changed(tracker: JobTracker) -> None:
    ticket = tracker.init_tracker_file("one")["job_ticket_id"]
    assert newest_tickets(tracker.base_directory, 5) == tracker.list_jobs()
    tracker.begin_step(ticket)
    assert newest_tickets(tracker.base_directory, 5) == tracker.list_jobs()
    assert newest_tickets(tracker.base_directory, 5)[0]["job_management"]["job_status"] == "running"


def test_tickets_are_chosen_as_by_the_tracker(tracker: JobTracker) -> None:
    tickets = [tracker.init_tracker_file(name)["job_ticket_id"] for name in ("one", "two", "one")]
    tracker.set_status(tickets[0], "failure")
    tracker.set_status(tickets[1], "failure")
    damaged = tracker.base_directory / tickets[2] / f"{tickets[2]}.json"
    damaged.write_text('{"job_management": {"job_status": "failure"}, "job_name": "one"}')
    for status, job in (("", ""), ("failure", ""), ("", "one"), ("failure", "two"), ("success", "")):
        listed = tracker.list_jobs(status or None, job or None)
        assert newest_tickets(tracker.base_directory, 5, status, job) == listed
        assert newest_tickets(tracker.base_directory, 1, status, job) == listed[:1]
    damaged.write_text("{")
    assert newest_tickets(tracker.base_directory, 5) == tracker.list_jobs()
    assert newest_tickets(tracker.base_directory / "none", 5) == []
