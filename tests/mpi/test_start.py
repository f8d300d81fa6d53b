"""The first and the last moments of a job of several ranks: it ends, whatever happens to any of its processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lurge.stream.launch import find_mpiexec
from tests.site import Entry, Site

SECONDS_TO_END = 20
MARK = "LURGE_TEST_MARK"
RANKS = [find_mpiexec(), "-n", "3", sys.executable, "-m", "lurge"]


@pytest.fixture
def small(site: Site) -> Site:
    site.base_directories((10, "/a"))
    site.dump(*[Entry(f"/a/{i}", 3) for i in range(10)])
    return site


def processes_of(mark: str) -> list[int]:
    """The processes whose environment has the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


@contextmanager
def job(site: Site, *command: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A job and the mark of its processes; none of them outlives the test."""
    mark = site.folder.as_posix()
    with (site.folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "report", "--config", str(site.config), "--quiet"],
            env={**os.environ, MARK: mark, **environment},
            stdout=said,
            stderr=said,
        )
    try:
        yield process, mark
    finally:
        for left in processes_of(mark):
            os.kill(left, signal.SIGKILL)
        process.wait(SECONDS_TO_END)


def wait_for_none(mark: str) -> None:
    ends = time.monotonic() + SECONDS_TO_END
    while left := processes_of(mark):
        assert time.monotonic() < ends, [name_of(process) for process in left]
        time.sleep(0.05)


def sabotaged(site: Site, code: str) -> dict[str, str]:
    """The environment in which rank 1 runs some code before anything else."""
    folder = site.folder / "early"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import os, sys, time\nif os.environ.get('PMI_RANK') == '1':\n    {code}\n"
    )
    return {"PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}


IMPORT_FAILS = "sys.modules['lurge.stream.member'] = None"
NO_ROOM = "import tempfile; tempfile.tempdir = '/nonexistent'; sys.modules['lurge.aggregate'] = None"


@pytest.mark.parametrize("code", [IMPORT_FAILS, NO_ROOM])
def test_an_import_that_fails_on_one_rank_ends_the_job(small: Site, code: str) -> None:
    with job(small, *RANKS, **sabotaged(small, code)) as (process, mark):
        assert process.wait(SECONDS_TO_END) != 0
        wait_for_none(mark)
    assert "ModuleNotFoundError" in (small.folder / "said").read_text()
    small.run()


@pytest.mark.parametrize("code", ["time.sleep(100)", "os._exit(0)", "raise SystemExit(3)"])
def test_a_rank_that_never_starts_is_not_waited_for(small: Site, code: str) -> None:
    environment = {**sabotaged(small, code), "LURGE_START_SECONDS": "2"}
    with job(small, *RANKS, **environment) as (process, mark):
        assert process.wait(SECONDS_TO_END) != 0
        wait_for_none(mark)
    assert "not all ranks started within 2 s" in (small.folder / "said").read_text()


@pytest.mark.parametrize("how", ["lurge", "mpiexec"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_early_moment_ends_the_job(small: Site, number: signal.Signals, how: str) -> None:
    rng = random.Random(f"{number}{how}")
    command = {
        "lurge": [sys.executable, "-m", "lurge"],
        "mpiexec": RANKS,
    }[how]
    for _ in range(4):
        with job(small, *command) if how == "mpiexec" else ranks_of(small, command) as (process, mark):
            time.sleep(rng.uniform(0.1, 1.5))
            process.send_signal(number)
            process.wait(SECONDS_TO_END)
            wait_for_none(mark)
    small.run()


@contextmanager
def ranks_of(site: Site, command: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A job whose ranks lurge starts itself."""
    site.database.unlink(missing_ok=True)
    mark = site.folder.as_posix()
    process = subprocess.Popen(
        [*command, "report", "--config", str(site.config), "--quiet", "-n", "3"],
        env={**os.environ, MARK: mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process, mark
    finally:
        for left in processes_of(mark):
            os.kill(left, signal.SIGKILL)
        process.wait(SECONDS_TO_END)


def test_the_death_of_the_launcher_ends_the_job(small: Site) -> None:
    slow = sabotaged(small, "pass")
    (small.folder / "early" / "sitecustomize.py").write_text(
        "import os, sys\nif os.environ.get('PMI_RANK') == '0':\n"
        "    import lurge.source.finding as finding, time\n"
        "    finding.newest_dump = lambda *_: time.sleep(1000)\n"
    )
    with job(small, *RANKS, **slow) as (_, mark):
        ends = time.monotonic() + SECONDS_TO_END
        while not list(small.folder.glob("out/tickets/*")):
            assert time.monotonic() < ends
            time.sleep(0.05)
        proxies = [number for number in processes_of(mark) if name_of(number).startswith("hydra_pmi")]
        for proxy in proxies:
            os.kill(proxy, signal.SIGKILL)
        assert proxies
        wait_for_none(mark)
    small.run()
