"""Machines that lack what others have: root, a home, MPI, a C compiler, a shell, a terminal, an open stream."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lurge
from lurge.kernels.places import CACHE
from lurge.parallel.launch import find_mpiexec
from tests.services import need
from tests.site import Entry, Site, run_lurge

USER = 2**31 - 2
"""Of nobody: without a name, a home and files."""

TOTAL = "select sum(used) from lustre_usage"
MISSING = ("mpi4py", "mpich")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach; those of pytest are closed to others."""
    folder = Path("/var/tmp") / f"lurge-surroundings-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small(place: Path) -> Site:
    site = Site(place / "site")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5), Entry("/p/y", 7))
    return site


def run(
    *words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def unprivileged() -> list[str]:
    """The words that run a command as a user who may read this installation and change nothing."""
    if os.getuid():
        return []
    need(None if shutil.which("setpriv") else "setpriv is not installed (Debian: util-linux)")
    become = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups"]
    # An interpreter below /root can be reached only by who may read everything.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    probe = f"import lurge, numpy, os; assert os.geteuid() == {USER}; assert not os.access(lurge.__file__, os.W_OK)"
    for command in ([*become, "env"], [*become, *reading, "env"]):
        if run(*command, sys.executable, "-c", probe, cwd=Path("/")).returncode == 0:
            return command
    need("only root can reach this Python")
    return []


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)


def test_a_user_without_a_home_may_use_a_read_only_installation(small: Site, place: Path) -> None:
    """Kernels are kept below the temporary directory, and nothing gets the name `~`."""
    become = unprivileged()
    small.run()
    shutil.rmtree(small.folder / "out")
    kept = place / "tmp" / f"lurge-{USER if become else os.getuid()}"
    # Kernels of other tests may just be written.
    shutil.copytree(CACHE, kept / CACHE.name, ignore=shutil.ignore_patterns("test_*"))
    (place / "work").mkdir()
    for path in (kept, kept / CACHE.name):
        path.chmod(0o700)
    if become:
        give_away(place)
    config = ("--config", str(small.config))
    for words in (
        ("scan", str(small.dumps), "-o", "dumps"),
        ("doctor", *config),
        ("report", *config),
        ("report", *config, "--force", "-n", "2"),
        ("db", "check", *config),
    ):
        command = [*(become or ["env"]), "-u", "HOME", sys.executable, "-m", "lurge", *words]
        done = run(*command, cwd=place / "work", env={"TMPDIR": str(place / "tmp")})
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        if become and "doctor" in words:
            assert f"compiled kernels are kept in {kept}" in done.stdout
    assert small.rows(TOTAL) == [(12,)]
    assert [path.name for path in (place / "work").iterdir()] == ["dumps"]


@pytest.mark.parametrize("shell", ["/bin/false", "/usr/bin/fish"])
def test_a_report_needs_no_other_program_and_no_terminal(small: Site, place: Path, shell: str) -> None:
    """Kernels are compiled without a C compiler; several ranks need no shell, and no program on PATH."""
    (place / "empty").mkdir()
    bare = {"PATH": str(place / "empty"), "SHELL": shell, "TERM": ""}
    if shell == "/bin/false":
        bare["NUMBA_CACHE_DIR"] = str(place / "kernels")
        assert "compiled in" in small.run(env=bare).stderr
    small.run("--force", "-n", "3", env=bare)
    assert small.rows(TOTAL) == [(12,)]
    done = run_lurge("doctor", "--config", str(small.config), env=bare)
    assert done.returncode == 0, done.stdout
    assert "neither bsub nor sbatch is on PATH" in done.stdout


@pytest.fixture
def without_mpi(place: Path) -> Path:
    """An installation that lacks MPI: its packages are links to those that are here."""
    packages = place / "packages"
    packages.mkdir()
    for folder in (path for path in sys.path if path.endswith("-packages")):
        for path in Path(folder).iterdir():
            if not path.name.startswith(MISSING) and not (packages / path.name).exists():
                (packages / path.name).symlink_to(path)
    return packages


def test_a_report_without_mpi_runs_alone_and_refuses_ranks(small: Site, without_mpi: Path) -> None:
    env = {"PYTHONPATH": f"{Path(lurge.__file__).parent.parent}:{without_mpi}"}
    command = [sys.executable, "-S", "-m", "lurge", "report", "--force", "--config", str(small.config)]
    done = run(*command, env=env)
    assert done.returncode == 0, done.stderr
    assert small.rows(TOTAL) == [(12,)]
    done = run(*command, "-n", "2", env=env)
    assert done.returncode == 1
    assert "lurge: mpi4py is not installed, so no ranks can be started\n  -> Install lurge[mpi]" in done.stderr
    done = run(find_mpiexec(), "-n", "2", *command, env=env)
    assert done.returncode == 1
    assert "mpi4py cannot be used" in done.stderr
    assert "-> Install lurge[mpi]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_output_never_goes_to_a_file_with_the_number_of_a_closed_stream(small: Site, closed: str) -> None:
    """The database is opened next, and would get the number."""
    for words in ("report --force", "report --force -n 2", f"scan {small.dumps} -o {small.folder}/new", "doctor"):
        config = "" if words.startswith("scan") else f"--config {small.config}"
        done = run("sh", "-c", f"exec {sys.executable} -m lurge {words} {config} {closed}")
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert small.rows(TOTAL) == [(12,)]
    assert small.rows("pragma integrity_check") == [("ok",)]
