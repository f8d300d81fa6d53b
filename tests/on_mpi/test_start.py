"""The first and the last moments of a job of several ranks: it ends, whatever happens to any of its processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

import pytest

from lurge.parallel.launch import find_mpiexec
from tests.processes import SECONDS_TO_END, job, name_of, processes_of, wait_for_none
from tests.site import Entry, Site

RANKS = [find_mpiexec(), "-n", "3", sys.executable, "-m", "lurge"]
TESTS = Path(__file__).parents[2]


@pytest.fixture
def small(site: Site) -> Site:
    site.base_directories((10, "/a"))
    site.dump(*[Entry(f"/a/{i}", 3) for i in range(10)])
    return site


def report(
    site: Site, command: Sequence[str], *options: str, **environment: str
) -> AbstractContextManager[Popen[bytes]]:
    """A report whose processes are marked with the site's folder."""
    arguments = [*command, "report", "--config", str(site.config), "--quiet", *options]
    return job(str(site.folder), arguments, site.folder / "said", **environment)


def sabotaged(site: Site, code: str, rank: int = 1) -> dict[str, str]:
    """The environment in which a rank runs some code before anything else."""
    folder = site.folder / "early"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import os, sys, time\nif os.environ.get('PMI_RANK') == '{rank}':\n    {code}\n"
    )
    return {"PYTHONPATH": f"{folder}:{TESTS}"}


STALLS = """import importlib.abc
    class Stalls(importlib.abc.MetaPathFinder):
        def find_spec(self, name, *_):
            if name in ('lurge.parallel.member', 'lurge.pipeline.report'):
                time.sleep(100)
    sys.meta_path.insert(0, Stalls())"""
IMPORT_FAILS = "sys.modules['lurge.parallel.member'] = None"
NO_ROOM = "import tempfile; tempfile.tempdir = '/nonexistent'; sys.modules['lurge.aggregate'] = None"


@pytest.mark.parametrize("code", [IMPORT_FAILS, NO_ROOM])
def test_an_import_that_fails_on_one_rank_ends_the_job(small: Site, code: str) -> None:
    with report(small, RANKS, **sabotaged(small, code)) as process:
        assert process.wait(SECONDS_TO_END) != 0
        wait_for_none(str(small.folder))
    assert "ModuleNotFoundError" in (small.folder / "said").read_text()
    small.run()


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("code", ["time.sleep(100)", "os._exit(0)", "raise SystemExit(3)", STALLS])
def test_a_rank_that_never_starts_is_not_waited_for(small: Site, code: str, rank: int) -> None:
    with report(small, RANKS, **sabotaged(small, code, rank), LURGE_START_SECONDS="2") as process:
        assert process.wait(SECONDS_TO_END) != 0
        wait_for_none(str(small.folder))
    assert "not all ranks started within 2 s" in (small.folder / "said").read_text()


def test_a_time_limit_that_is_not_a_number_is_refused(small: Site) -> None:
    with report(small, RANKS, LURGE_START_SECONDS="soon") as process:
        assert process.wait(SECONDS_TO_END) == 2
    assert "must be a whole number of seconds" in (small.folder / "said").read_text()


@pytest.mark.parametrize("how", ["lurge", "mpiexec"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_early_moment_ends_the_job(small: Site, number: signal.Signals, how: str) -> None:
    rng = random.Random(f"{number}{how}")
    for _ in range(4):
        small.database.unlink(missing_ok=True)
        command, options = (RANKS, []) if how == "mpiexec" else (RANKS[3:], ["-n", "3"])
        with report(small, command, *options) as process:
            time.sleep(rng.uniform(0.1, 1.5))
            process.send_signal(number)
            process.wait(SECONDS_TO_END)
            wait_for_none(str(small.folder))
    small.run()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_is_to_be_ignored_is_ignored(small: Site, number: signal.Signals) -> None:
    """As by nohup, or in a shell's background."""
    name = number.name.removeprefix("SIG")
    ignoring = ["sh", "-c", f"trap '' {name}; exec \"$@\"", "sh", sys.executable, "-m", "lurge"]
    with report(small, ignoring) as process:
        time.sleep(0.3)
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.1)
        assert process.returncode == 0
    assert small.rows("select used from lustre_usage") == [(30,)]


@pytest.mark.parametrize("command", [["report", "-n", "2"], ["doctor"]])
def test_code_in_the_current_folder_is_not_run(small: Site, command: list[str]) -> None:
    """Others may write there; `lurge` itself, as a script, does not look there either."""
    here = small.folder / "here"
    here.mkdir()
    for name in ("mpi4py", "numpy", "typer"):
        (here / f"{name}.py").write_text(f"open({str(small.folder / 'planted')!r}, 'w')\n")
    arguments = [sys.executable, "-P", "-m", "lurge", *command, "--config", str(small.config)]
    done = subprocess.run(arguments, cwd=here, capture_output=True, text=True, check=False)
    assert not (small.folder / "planted").exists()
    assert "Traceback" not in done.stderr
    assert command == ["doctor"] or done.returncode == 0, done.stderr


def test_other_commands_under_mpiexec_are_each_for_themselves(small: Site) -> None:
    script = f'[ "$PMI_RANK" = 0 ] || exit 0; exec {sys.executable} -m lurge ticket list --config {small.config}'
    with job(str(small.folder), [*RANKS[:3], "sh", "-c", script], small.folder / "said") as process:
        assert process.wait(SECONDS_TO_END) == 0


def test_the_death_of_the_launcher_at_an_early_moment_ends_the_job(small: Site) -> None:
    rng = random.Random(5)
    for _ in range(8):
        with report(small, RANKS):
            time.sleep(rng.uniform(0.05, 0.4))
            for number in processes_of(str(small.folder)):
                if name_of(number).startswith("hydra_pmi"):
                    os.kill(number, signal.SIGKILL)
            wait_for_none(str(small.folder))


def test_the_death_of_the_launcher_ends_the_job(small: Site) -> None:
    slow = "import lurge.source.finding as finding; finding.newest_dump = lambda *_: time.sleep(1000)"
    with report(small, RANKS, **sabotaged(small, slow, rank=0)):
        ends = time.monotonic() + SECONDS_TO_END
        while not list(small.folder.glob("out/tickets/*")):
            assert time.monotonic() < ends
            time.sleep(0.05)
        proxies = [number for number in processes_of(str(small.folder)) if name_of(number).startswith("hydra_pmi")]
        for proxy in proxies:
            os.kill(proxy, signal.SIGKILL)
        assert proxies
        wait_for_none(str(small.folder))
    small.run()
