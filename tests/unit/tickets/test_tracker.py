"""Tickets: their form, their steps, and what hostile ids and documents come to."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lurge.tickets import (
    InvalidDocument,
    InvalidTicketId,
    JobTracker,
    JobTrackerError,
    TicketNotFound,
    UnknownJob,
    state_of,
)
from lurge.tickets.document import steps_as_dict

SPEC_ID = "39aa64a5-7451-45fc-b5bd-68d1bf02b31e-43e85fab1540"
SPEC = {
    "job_ticket_id": SPEC_ID,
    "job_name": "create_asset",
    "job_management": {
        "current_step": 1,
        "steps": {"1": "generate_mock_manifest", "2": "retrieve_image_from_origin"},
        "job_status": "",
        "previous_step_status": "",
        "numberOfTries": 0,
        "maxNumberOfTries": 10,
    },
    "context": {},
    "creation_date": "2020-11-10 22:24:00",
    "last_modified_date": "2020-11-10 22:24:00",
}


@pytest.fixture
def tracker(tmp_path: Path) -> JobTracker:
    return JobTracker(tmp_path)


@pytest.fixture
def ticket(tracker: JobTracker) -> str:
    return str(tracker.init_tracker_file("create_asset", {"a": 1})["job_ticket_id"])


def test_a_ticket_is_a_document_and_a_time_stamp_in_its_folder(
    tracker: JobTracker, ticket: str, tmp_path: Path
) -> None:
    document = json.loads((tmp_path / ticket / f"{ticket}.json").read_text())
    assert document == tracker.get_tracker_file(ticket)
    assert document["context"] == {"a": 1}
    assert document["job_management"] == {
        **SPEC["job_management"],  # type: ignore[dict-item]
        "steps": tracker.get_job_steps("create_asset"),
    }
    stamp = json.loads((tmp_path / ticket / f"{ticket}_TIMESTAMP.json").read_text())
    assert stamp == tracker.get_timestamp_file(ticket)
    assert stamp["last_modified_date"] == document["last_modified_date"]
    assert abs(stamp["timestamp"] - time.time()) < 60


def test_the_beginning_of_an_id_is_completed_if_unique(tracker: JobTracker) -> None:
    """A whole id counts, even if another begins with it."""
    longer = f"{SPEC_ID}-x"
    for name in (SPEC_ID, longer):
        tracker.write_tracker_file({**SPEC, "job_ticket_id": name})
    other = tracker.init_tracker_file("create_asset")["job_ticket_id"]
    assert tracker.complete_id(other[:20]) == other
    assert tracker.complete_id(SPEC_ID) == SPEC_ID
    assert tracker.complete_id(longer) == longer
    with pytest.raises(InvalidTicketId, match=f"2 ids of tickets begin with '39aa', the first is {SPEC_ID}"):
        tracker.complete_id("39aa")
    for text in ("", "..", "../" + SPEC_ID, "zz", SPEC_ID + "/"):
        with pytest.raises(TicketNotFound):
            tracker.complete_id(text)


def test_the_directory_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOB_DATA_BASEDIR", str(tmp_path / "x"))
    ticket = JobTracker().init_tracker_file("update_asset")["job_ticket_id"]
    assert (tmp_path / "x" / ticket).is_dir()
    monkeypatch.delenv("JOB_DATA_BASEDIR")
    assert JobTracker().base_directory == Path("tickets")


def test_documents_of_other_writers_are_read(tracker: JobTracker) -> None:
    written = tracker.write_tracker_file(deepcopy(SPEC))
    assert {**written, "last_modified_date": ""} == {**SPEC, "last_modified_date": ""}
    listed = deepcopy(SPEC)
    names = ("generate_mock_manifest", "retrieve_image_from_origin")
    listed["job_management"]["steps"] = [  # type: ignore[index]
        {"step_number": i + 1, "worker_type": "w", "task_name": name} for i, name in enumerate(names)
    ]
    tracker.write_tracker_file(listed)
    tracker.begin_step(SPEC_ID, "retrieve_image_from_origin")
    assert tracker.finish_step(SPEC_ID)["job_management"]["job_status"] == "success"


def test_new_ids_are_valid_and_distinct(tracker: JobTracker) -> None:
    found = tracker.create_job_ticket_id()
    assert tracker.validate_job_ticket_id(found)
    assert tracker.validate_job_ticket_id(SPEC_ID)
    assert len({tracker.create_job_ticket_id() for _ in range(100)}) == 100


@given(text=st.text(max_size=60))
@example(text="../../etc/passwd")
@example(text=f"{SPEC_ID}/../x")
@example(text=f"{SPEC_ID}\n")
@example(text=f"{SPEC_ID[:37]}..")
@example(text=f"{SPEC_ID}\0")
@example(text="")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_ids_touch_no_path(tmp_path: Path, text: str) -> None:
    inside = tmp_path / "inside"
    tracker = JobTracker(inside)
    if tracker.validate_job_ticket_id(text):
        assert (inside / text).resolve().parent == inside.resolve()
        return
    for method in (tracker.get_tracker_file, tracker.get_timestamp_file, tracker.update_timestamp_file,
                   tracker.begin_step, tracker.retry):  # fmt: skip
        with pytest.raises(InvalidTicketId):
            method(text)
    document = {**SPEC, "job_ticket_id": text}
    with pytest.raises((InvalidTicketId, InvalidDocument)):
        tracker.write_tracker_file(document)
    assert list(tmp_path.iterdir()) == []


def test_the_document_of_the_specification_is_valid(tracker: JobTracker) -> None:
    assert tracker.validate_json_schema(SPEC)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("job_management", "job_status"), "broken"),
        (("job_management", "previous_step_status"), "running"),
        (("job_management", "steps"), {"one": "x"}),
        (("job_management", "steps"), 5),
        (("job_management", "numberOfTries"), -1),
        (("context",), []),
        (("creation_date",), "yesterday"),
        (("creation_date",), "2020-13-45 99:00:00"),
        (("context",), {"x": float("nan")}),
        (("context",), {"x": {1}}),
        (("job_name",), ""),
    ],
)
def test_a_document_with_a_wrong_value_is_refused(tracker: JobTracker, place: tuple[str, ...], value: object) -> None:
    wrong = deepcopy(SPEC)
    inner = wrong
    for key in place[:-1]:
        inner = inner[key]  # type: ignore[assignment]
    inner[place[-1]] = value
    assert not tracker.validate_json_schema(wrong)
    with pytest.raises(InvalidDocument):
        tracker.write_tracker_file(wrong)
    assert list(tracker.base_directory.iterdir()) == []


@pytest.mark.parametrize("document", [None, [], "x", 5])
def test_what_is_not_a_document_is_refused(tracker: JobTracker, document: object) -> None:
    with pytest.raises(InvalidDocument):
        tracker.write_tracker_file(document)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", SPEC)
def test_a_document_without_a_key_is_not_valid(tracker: JobTracker, missing: str) -> None:
    assert not tracker.validate_json_schema({name: value for name, value in SPEC.items() if name != missing})


@pytest.mark.parametrize("context", ["x", {"a": object()}])
def test_a_context_that_is_not_json_is_refused(tracker: JobTracker, ticket: str, context: dict[str, object]) -> None:
    with pytest.raises(InvalidDocument):
        tracker.init_tracker_file("create_asset", context)
    with pytest.raises(InvalidDocument):
        tracker.merge_context(ticket, context)
    assert [path.name for path in tracker.base_directory.iterdir()] == [ticket]


def test_an_unknown_status_is_refused(tracker: JobTracker, ticket: str) -> None:
    before = tracker.get_tracker_file(ticket)
    with pytest.raises(InvalidDocument):
        tracker.set_status(ticket, "asleep")
    assert tracker.get_tracker_file(ticket) == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=json_values, key=st.sampled_from([*SPEC]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_written_or_refused(tmp_path: Path, value: object, key: str) -> None:
    tracker = JobTracker(tmp_path)
    try:
        written = tracker.write_tracker_file({**deepcopy(SPEC), key: value})
    except (InvalidDocument, InvalidTicketId):
        return
    assert tracker.get_tracker_file(written["job_ticket_id"]) == written
    assert tracker.list_jobs()


@given(steps=json_values)
def test_steps_of_any_form_are_numbered_or_refused(steps: object) -> None:
    try:
        found = steps_as_dict(steps)
    except InvalidDocument:
        return
    assert [*found] == [str(number) for number in range(1, len(found) + 1)]


def test_steps_record_their_state_and_errors(tracker: JobTracker, ticket: str) -> None:
    document = tracker.begin_step(ticket)
    assert document["job_management"]["job_status"] == "running"
    assert document["context"]["process"]["pid"] == os.getpid()
    tracker.finish_step(ticket, made=5)
    document = tracker.begin_step(ticket, 3)
    assert document["job_management"]["current_step"] == 3
    assert document["job_management"]["previous_step_status"] == "success"
    document = tracker.fail_step(ticket, "no jp2")
    assert document["job_management"]["job_status"] == "failure"
    assert document["context"]["errors_encountered"][0]["error"] == "no jp2"
    assert document["context"]["steps"]["generate_mock_manifest"]["made"] == 5
    assert document["context"]["steps"]["check_jp2_compliance"]["seconds"] >= 0
    tracker.append_error(ticket, ValueError("again"))
    assert len(tracker.get_tracker_file(ticket)["context"]["errors_encountered"]) == 2
    with pytest.raises(InvalidDocument, match="no step"):
        tracker.begin_step(ticket, "dance")


def test_context_is_merged(tracker: JobTracker, ticket: str) -> None:
    tracker.merge_context(ticket, {"b": {"x": 1, "y": 2}})
    tracker.merge_context(ticket, {"b": {"y": 3}, "a": [1]})
    assert tracker.get_tracker_file(ticket)["context"] == {"a": [1], "b": {"x": 1, "y": 3}}


def test_a_ticket_is_retried_up_to_its_limit_and_never_after_success(tracker: JobTracker) -> None:
    ticket = tracker.init_tracker_file("update_asset", max_number_of_tries=2)["job_ticket_id"]
    assert [tracker.retry(ticket) for _ in range(3)] == [True, True, False]
    assert tracker.get_status(ticket) == "failure"
    tracker.set_status(ticket, "success")
    assert not tracker.retry(ticket)
    assert tracker.get_status(ticket) == "success"


def test_jobs_are_read_from_files(tracker: JobTracker, tmp_path: Path) -> None:
    assert tracker.get_job_steps("create_asset")["1"] == "generate_mock_manifest"
    assert [*tracker.get_job_steps("update_asset").values()] == [*tracker.get_job_steps("create_asset").values()][1:]
    assert [*tracker.jobs()] == ["create_asset", "update_asset"]
    with pytest.raises(UnknownJob, match="create_asset"):
        tracker.init_tracker_file("dance")
    own = tmp_path / "jobs.json"
    own.write_text('{"dance": [{"step_number": 1, "worker_type": "feet", "task_name": "waltz"}]}')
    extended = JobTracker(tmp_path, own)
    assert extended.get_job_steps("dance") == {"1": "waltz"}
    assert extended.get_job_steps("create_asset")
    for wrong in ("[]", "{", '{"dance": {"2": "waltz"}}', '{"dance": [1]}'):
        own.write_text(wrong)
        with pytest.raises(InvalidDocument, match=r"jobs\.json"):
            extended.jobs()


def test_a_program_declares_its_jobs(tmp_path: Path) -> None:
    declared = {"sing": ("breathe", "hum"), "update_asset": ["hum"]}
    tracker = JobTracker(tmp_path, jobs=declared)
    assert tracker.jobs().keys() == {"create_asset", "update_asset", "sing"}
    assert tracker.get_job_steps("update_asset") == {"1": "hum"}
    ticket = tracker.init_tracker_file("sing")
    assert ticket["job_management"]["steps"] == {"1": "breathe", "2": "hum"}
    own = tmp_path / "jobs.json"
    own.write_text('{"sing": {"1": "hum"}}')
    assert JobTracker(tmp_path, own, declared).get_job_steps("sing") == {"1": "hum"}


def test_lists_skip_damaged_tickets_and_filter_by_status_and_job(tracker: JobTracker, tmp_path: Path) -> None:
    tickets = [tracker.init_tracker_file("update_asset")["job_ticket_id"] for _ in range(3)]
    tracker.set_status(tickets[0], "queued")
    (tmp_path / tickets[1] / f"{tickets[1]}.json").write_text("{ damaged")
    (tmp_path / "else").mkdir()
    assert {one["job_ticket_id"] for one in tracker.list_jobs()} == {tickets[0], tickets[2]}
    assert len(tracker.list_jobs(status="queued")) == 1
    assert tracker.list_jobs(job_name="create_asset") == []
    assert tracker.count_jobs()["queued"] == 1
    assert JobTracker(tmp_path / "none").list_jobs() == []


def test_the_status_of_a_parent_follows_its_children(tracker: JobTracker, ticket: str) -> None:
    children = [
        tracker.init_tracker_file("update_asset", {"parent_job_ticket_id": ticket})["job_ticket_id"] for _ in range(2)
    ]
    assert tracker.update_parent(ticket) == ""
    tracker.set_status(children[0], "success")
    assert tracker.update_parent(ticket) == "running"
    tracker.set_status(children[1], "success")
    assert tracker.update_parent(ticket) == "success"
    tracker.set_status(children[1], "failure")
    assert tracker.update_parent(ticket) == "failure"
    tracker.set_status(children[0], "running")
    assert tracker.update_parent(ticket) == "running"
    assert state_of(["queued", ""]) == "queued"
    assert state_of(["ready"]) == "ready"


def test_the_monitor_fails_tickets_of_dead_and_silent_processes(tracker: JobTracker, tmp_path: Path) -> None:
    """A process that is gone, one that is silent, one that works, one of another host."""
    code = (
        "import sys; from lurge.tickets import JobTracker; t = JobTracker(sys.argv[1]);"
        "i = t.init_tracker_file('update_asset')['job_ticket_id']; t.begin_step(i); print(i)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    gone = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    working, silent, elsewhere = (tracker.init_tracker_file("update_asset")["job_ticket_id"] for _ in range(3))
    for one in (working, silent, elsewhere):
        tracker.begin_step(one)
    tracker.merge_context(elsewhere, {"process": {"host": "elsewhere", "pid": 1}})
    stamp = tmp_path / silent / f"{silent}_TIMESTAMP.json"
    stamp.write_text(json.dumps({"timestamp": time.time() - 1000}))
    marked = tracker.monitor(stale_seconds=500)
    assert set(marked) == {*gone, silent}
    assert f"on {socket.gethostname()} is gone" in marked[gone[0]]
    assert "silent for" in marked[silent]
    document = tracker.get_tracker_file(gone[0])
    assert document["job_management"]["job_status"] == "failure"
    assert "is gone" in document["context"]["died"]
    assert tracker.monitor(500) == {}
    tracker.set_status(gone[1], "running")
    assert set(tracker.monitor(500, queue_again=True)) == {gone[1]}
    assert tracker.get_status(gone[1]) == "queued"
    assert tracker.get_tracker_file(gone[1])["job_management"]["numberOfTries"] == 1


def test_the_monitor_passes_over_tickets_that_it_cannot_change(tracker: JobTracker) -> None:
    """Contexts are free in form; one ticket that cannot be changed does not keep others from it."""
    odd, worse, numbered = (tracker.init_tracker_file("create_asset", {"n": n})["job_ticket_id"] for n in range(3))
    tracker.merge_context(odd, {"process": "imaging", "errors_encountered": "", "steps": "none"})
    tracker.merge_context(worse, {"process": {"host": socket.gethostname(), "pid": 2**40}, "errors_encountered": "x"})
    listed = tracker.get_tracker_file(numbered)
    listed["job_management"]["steps"] = [{"step_number": "one", "worker_type": "w", "task_name": "t"}]
    tracker.write_tracker_file(listed)
    for one in (odd, worse, numbered):
        tracker.change(one, lambda document: document["job_management"].update(job_status="running"))
    time.sleep(0.05)
    assert set(tracker.monitor(0.01)) == {odd, worse}
    assert tracker.get_tracker_file(worse)["context"]["errors_encountered"][0] == "x"
    assert tracker.monitor(0.01, concerns=lambda document: document["context"]["n"] == 5) == {}


def test_a_ticket_that_ends_well_is_no_longer_marked_as_died(tracker: JobTracker, ticket: str) -> None:
    tracker.begin_step(ticket)
    tracker.merge_context(ticket, {"process": {"began": "long ago"}})
    tracker.monitor(500)
    assert "died" in tracker.get_tracker_file(ticket)["context"]
    tracker.set_status(ticket, "success")
    assert "died" not in tracker.get_tracker_file(ticket)["context"]
    tracker.begin_step(ticket, 6)
    assert tracker.finish_step(ticket, ends_job=False)["job_management"]["job_status"] == "running"


def test_a_process_number_in_use_by_another_counts_as_gone(tracker: JobTracker, ticket: str) -> None:
    tracker.begin_step(ticket)
    tracker.merge_context(ticket, {"process": {"began": "another boot 5"}})
    assert set(tracker.monitor(500)) == {ticket}


def test_tickets_that_cannot_be_read_or_written_are_errors(tmp_path: Path, tracker: JobTracker) -> None:
    with pytest.raises(TicketNotFound):
        tracker.get_tracker_file(SPEC_ID)
    with pytest.raises(TicketNotFound):
        tracker.begin_step(SPEC_ID)
    assert not (tmp_path / SPEC_ID).exists()
    (tmp_path / "file").touch()
    with pytest.raises(JobTrackerError):
        JobTracker(tmp_path / "file").init_tracker_file("create_asset")
