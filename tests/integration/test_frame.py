"""The frame of a job: a recipe that lurge does not know gets everything that lurge's own jobs have."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lurge.pipeline import frame, recipes
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import JobTicket, tracker_of
from lurge.tickets import JobTracker
from tests.site import Site
from tests.terminal import on_a_terminal
from tests.toys import load

COMMAND = [sys.executable, "-m", "tests.toys", "toy"]
SECONDS = 60


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site without dumps."""
    site = Site(tmp_path)
    site.config.write_text("")
    return site


def write(site: Site, text: str) -> Path:
    file = site.folder / "toys.txt"
    file.write_text(text)
    return file


def run(site: Site, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, str(file), "-c", str(site.config), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)


def ticket(site: Site) -> dict[str, Any]:
    """The newest ticket."""
    return JobTracker(site.folder / "out" / "tickets").list_jobs()[0]


def status(site: Site) -> tuple[str, int]:
    """The status of the newest ticket, and the exit status in it."""
    document = ticket(site)
    return document["job_management"]["job_status"], document["context"]["exit_status"]


def errors(site: Site) -> list[str]:
    return [entry["error"] for entry in ticket(site)["context"].get("errors_encountered", [])]


def sizes(site: Site) -> list[int]:
    connection = sqlite3.connect(site.database)
    try:
        return [size for (size,) in connection.execute("select size from toy order by size")]
    finally:
        connection.close()


@contextmanager
def running(site: Site) -> Iterator[subprocess.Popen[str]]:
    """The job in the middle of its second step: it has read a line of a pipe and waits for another."""
    pipe = site.folder / "pipe"
    os.mkfifo(pipe)
    command = [*COMMAND, str(pipe), "-c", str(site.config)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        pipe.open("w") as lines,
    ):
        try:
            lines.write("5\n")
            lines.flush()
            ends = time.monotonic() + SECONDS
            while "insert" not in ticket(site)["context"].get("steps", {}):
                assert time.monotonic() < ends
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def test_success(site: Site) -> None:
    done = run(site, write(site, "5\n7\n"))
    assert (done.returncode, done.stdout) == (0, "2 toys\n"), done.stderr
    assert sizes(site) == [5, 7]
    assert status(site) == ("success", 0)
    document = ticket(site)
    assert (document["job_name"], document["job_management"]["steps"]) == ("toy_load", {"1": "look", "2": "insert"})
    assert document["context"]["steps"]["look"]["bytes"] == 4
    assert [step["status"] for step in document["context"]["steps"].values()] == ["success", "success"]


def test_json(site: Site) -> None:
    done = run(site, write(site, "5\n"), "--json", "--quiet")
    assert json.loads(done.stdout) == {"toys": 1, "error": None, "exit_status": 0}


def test_progress_on_a_terminal(site: Site) -> None:
    shown = on_a_terminal("toy", str(write(site, "5\n7\n")), "-c", str(site.config), module="tests.toys")
    assert re.search(r"toys\.txt .*━.*100%", shown)


def test_a_job_of_which_a_part_failed(site: Site) -> None:
    file = write(site, "")
    done = run(site, file)
    assert (done.returncode, done.stdout) == (3, f"0 toys\n  {file} has no toys\n  -> Buy some.\n")
    assert status(site) == ("failure", 3)
    assert run(site, file, "-q").stderr.endswith(": -> Buy some.\n")


def test_an_expected_error(site: Site) -> None:
    done = run(site, site.folder / "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"lurge: {site.folder}/none: no such file\n  -> Give a file of toys.\n")
    assert "Traceback" not in done.stderr
    assert status(site) == ("failure", 2)
    assert errors(site) == [f"{site.folder}/none: no such file"]
    assert ticket(site)["context"]["steps"]["look"]["status"] == "failure"


def test_an_unexpected_error(site: Site) -> None:
    done = run(site, write(site, "5\nball\n"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert status(site) == ("failure", 1)
    (error,) = errors(site)
    assert error.startswith("ValueError: invalid literal for int()")
    assert sizes(site) == []


def test_a_held_lock(site: Site) -> None:
    with running(site) as first:
        done = run(site, write(site, "5\n"))
        assert done.returncode == 1
        assert f"being changed by toy_load, process {first.pid} of" in done.stderr
        (refused,) = JobTracker(site.folder / "out" / "tickets").list_jobs(status="failure")
        assert refused["context"]["exit_status"] == 1
        assert "being changed by toy_load" in refused["context"]["errors_encountered"][0]["error"]
    assert run(site, write(site, "5\n")).returncode == 0
    assert sizes(site) == [5]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle(site: Site, number: signal.Signals) -> None:
    with running(site) as process:
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert process.stderr
        log = process.stderr.read()
    assert f"interrupted by {number.name}. Run the same command again" in log
    assert "Traceback" not in log
    assert status(site) == ("failure", 128 + number)
    assert errors(site) == [f"interrupted by {number.name}"]
    assert sizes(site) == []
    assert run(site, write(site, "5\n")).returncode == 0


def test_an_error_between_two_steps_is_in_the_ticket(tmp_path: Path) -> None:
    recipe = Recipe("toy_walk", ("begin",))
    tracker = JobTracker(tmp_path, jobs={recipe.name: recipe.steps})

    def lose() -> None:
        with open_job(recipe, JobTicket(tracker, recipe.name, "test")) as job:
            with job.step("begin"):
                pass
            raise KeyError("lost")

    with pytest.raises(KeyError):
        lose()
    (document,) = tracker.list_jobs(status="failure")
    assert [entry["error"] for entry in document["context"]["errors_encountered"]] == ["KeyError: 'lost'"]


def test_a_step_that_is_not_declared_is_refused() -> None:
    recipe = Recipe("toy_walk", ("begin",))
    with (
        open_job(recipe, JobTicket(None, recipe.name, "test")) as job,
        pytest.raises(ValueError, match="no step 'end'"),
        job.step("end"),
    ):
        pass
    with pytest.raises(ValueError, match="no database"):
        _ = job.database


def test_the_recipe_of_toys_is_short() -> None:
    nodes = ast.parse(Path(load.__file__).read_text()).body
    (function,) = (node for node in nodes if isinstance(node, ast.FunctionDef))
    assert function.end_lineno
    assert function.end_lineno - function.lineno < 30


def test_the_frame_knows_no_dumps() -> None:
    """It needs nothing of the pipeline but itself, and of the stages only stores and tickets."""
    allowed = ("frame", "store.database", "tickets", "config", "errors", "logs", "parallel.coordinator")
    for path in Path(frame.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lurge."):
                name = node.module.removeprefix("lurge.").removeprefix("pipeline.")
                assert name.startswith(allowed), f"{path.name} imports {node.module}"


def test_a_site_knows_the_jobs_that_recipes_declare(site: Site) -> None:
    from lurge.config import load_config

    jobs = tracker_of(load_config(site.config), recipes.RECIPES).jobs()
    assert jobs.keys() == {
        "create_asset", "update_asset", "report", "report_and_split", "split", "backfill", "backfill_tree", "scan",
        "basedirs", "works_gather", "works_load", "lake_load",
        "ledger_import", "ledger_serve", "ledger_apply", "ledger_replay",
    }  # fmt: skip
    assert [*jobs["report_and_split"].values()] == [
        "prepare", "find_dumps", "read_and_store", "write_tables", "publish_groups",
    ]  # fmt: skip
    assert jobs["scan"] == {"1": "walk"}
    declared = sum(path.read_text().count("= Recipe(") for path in Path(recipes.__file__).parent.rglob("*.py"))
    assert declared == len(recipes.RECIPES)
