"""The scripts that submit: to a recording bsub that runs what it got, and to a real Slurm."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lurge
from lurge.parallel.launch import find_mpiexec
from tests.services import bsub, need
from tests.services.slurm import Slurm
from tests.site import Entry, Site, run_lurge

SCRIPTS = Path(lurge.__file__).parent / "scripts"
BATCH = '[batch]\nqueue = "normal"\ngroup = "{group}"\nmemory_mb = 300\nranks = 3\n'


@pytest.fixture
def history(site: Site) -> Site:
    """Three days of dumps of two volumes."""
    site.volumes = ["scratch101", "scratch102"]
    site.configure(site.extra + BATCH.format(group="hgi"))
    site.base_directories((10, "/lustre/scratch101/a"), (10, "/lustre/scratch102/a"))
    for day in ("20240129", "20240130", "20240131"):
        for volume in site.volumes:
            entries = [Entry(f"/lustre/{volume}/a/{i}", int(day[-2:])) for i in range(20)]
            site.dump(*entries, volume=volume, day=day)
    return site


def environment(site: Site, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "LURGE_CONFIG": str(site.config),
        "LURGE": str(Path(sys.executable).with_name("lurge")),
        "MPIRUN": find_mpiexec(),
        **more,
    }


def submit(site: Site, script: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / script, *arguments],
        env=environment(site, **more),
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def days(site: Site) -> list[tuple[object, ...]]:
    return site.rows("select distinct record_date from lustre_usage")


@pytest.fixture
def lsf(history: Site) -> tuple[Path, str]:
    """Where jobs are recorded, and a PATH with bsub in it."""
    jobs = bsub.install(history.folder / "bin")
    return jobs, f"{history.folder}/bin:{os.environ['PATH']}"


def test_cron_submits_the_job_of_the_night(history: Site, lsf: tuple[Path, str]) -> None:
    jobs, path = lsf
    profile = history.folder / "profile"
    profile.write_text("export FROM_PROFILE=$UNSET_VARIABLE:yes\n")
    done = submit(history, "cron.sh", PATH=path, LURGE_PROFILE=str(profile))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Job <1> is submitted to queue <normal>.\n"
    (job,) = bsub.recorded(jobs)
    assert job["statuses"] == [0]
    assert shlex.split(*job["command"])[1:] == ["-n", "3", environment(history)["LURGE"], "report", "--split"]
    options = job["options"]
    assert (options["-n"], options["-q"], options["-G"], options["-J"]) == ("3", "normal", "hgi", "lurge_report")
    assert options["-M"] == "300"
    assert "mem>300" in options["-R"]
    assert len(list((history.folder / "out/logs").glob("20??-??-??/lurge_report.1.err"))) == 1
    assert days(history) == [("2024-01-31",)]
    assert (history.folder / "out/groups/20240131/ten.dat.gz").exists()
    (ticket,) = (path for path in (history.folder / "out/tickets").iterdir() if path.is_dir())
    assert '"batch_job": "1"' in (ticket / f"{ticket.name}.json").read_text()


def test_a_backfill_is_an_array(history: Site, lsf: tuple[Path, str]) -> None:
    jobs, path = lsf
    done = submit(history, "bsub_submit.sh", "backfill", "--quiet", PATH=path)
    assert done.returncode == 0, done.stderr
    (job,) = bsub.recorded(jobs)
    assert job["options"]["-J"] == "lurge_backfill[1-2]%1"
    assert job["statuses"] == [0, 0]
    assert days(history) == [("2024-01-29",), ("2024-01-30",)]


def test_what_is_stored_is_not_submitted_again(history: Site, lsf: tuple[Path, str]) -> None:
    """And what stands in an option reaches the job as it is."""
    jobs, path = lsf
    run_lurge("backfill", "-c", str(history.config), "--limit", "1")
    done = submit(history, "bsub_submit.sh", "backfill", "--since", "2024-01-30", PATH=path)
    assert done.returncode == 0, done.stderr
    (job,) = bsub.recorded(jobs)
    assert done.returncode == 0, done.stderr
    assert job["options"]["-J"] == "lurge_backfill[1-1]%1"
    assert job["statuses"] == [0]
    done = submit(history, "bsub_submit.sh", "split", "-q; false", PATH=path)
    job = bsub.recorded(jobs)[-1]
    assert shlex.split(*job["command"])[-1] == "-q; false"
    assert job["statuses"] == [2]
    profile = history.folder / "profile"
    profile.write_text("false\n")
    assert submit(history, "cron.sh", PATH=path, LURGE_PROFILE=str(profile)).returncode == 1
    assert submit(history, "cron.sh", PATH=path, LURGE_PROFILE="/none").returncode == 1
    assert len(bsub.recorded(jobs)) == 2


def test_the_number_of_ranks_follows_from_the_dumps(history: Site, lsf: tuple[Path, str]) -> None:
    jobs, path = lsf
    history.configure(history.extra)
    submit(history, "bsub_submit.sh", "split", PATH=path)
    (job,) = bsub.recorded(jobs)
    assert job["options"]["-n"] == "5"
    assert "-G" not in job["options"]


def test_the_scripts_name_what_is_wrong_and_submit_nothing(history: Site, lsf: tuple[Path, str]) -> None:
    jobs, path = lsf
    for wrong in ("--help", "reprot", ""):
        done = submit(history, "bsub_submit.sh", wrong, PATH=path)
        assert done.returncode == 2
        assert "bsub_submit.sh report|split|backfill" in done.stderr
    assert "bsub_submit.sh report|split|backfill" in submit(history, "bsub_submit.sh", PATH=path).stderr
    history.config.write_text("nonsense = 1\n")
    done = submit(history, "cron.sh", PATH=path)
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert bsub.recorded(jobs) == []
    done = submit(history, "cron.sh", PATH=path, LURGE_CONFIG="")
    assert "LURGE_CONFIG" in done.stderr
    done = submit(history, "cron.sh", PATH=path, LURGE="/none/lurge")
    assert done.returncode == 1
    assert "/none/lurge is not on PATH\n  -> Set LURGE" in done.stderr


@pytest.fixture
def no_scheduler(tmp_path: Path) -> str:
    """A PATH with what scripts call, but neither bsub nor sbatch."""
    for program in ("bash", "sh", "env", "dirname", "date", "mkdir", "sed"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    return str(tmp_path)


def test_without_a_scheduler_what_to_set_is_said(history: Site, no_scheduler: str) -> None:
    done = submit(history, "cron.sh", PATH=no_scheduler)
    assert done.returncode == 1
    assert "neither bsub nor sbatch is on PATH" in done.stderr
    assert f"LURGE_SUBMIT={SCRIPTS}/local_submit.sh" in done.stderr
    for program in ("bsub", "sbatch"):
        done = submit(history, f"{program}_submit.sh", "report", PATH=no_scheduler)
        assert done.returncode == 1
        assert f"{program} is not on PATH" in done.stderr
        assert "local_submit.sh" in done.stderr
    assert not history.database.exists()


def test_a_job_runs_on_this_machine_without_a_scheduler(history: Site, no_scheduler: str) -> None:
    more = {"PATH": no_scheduler, "LURGE_SUBMIT": str(SCRIPTS / "local_submit.sh")}
    done = submit(history, "cron.sh", **more)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (log,) = history.folder.glob("out/logs/20??-??-??/lurge_report.*.out")
    assert "adds up" in log.read_text()
    assert days(history) == [("2024-01-31",)]
    assert (history.folder / "out/groups/20240131/ten.dat.gz").exists()
    assert submit(history, "local_submit.sh", "backfill", "-n", "2", **more).returncode == 0
    assert days(history) == [("2024-01-29",), ("2024-01-30",), ("2024-01-31",)]
    for dump in history.dumps.glob("*.gz"):
        dump.write_bytes(b"")
    assert submit(history, "local_submit.sh", "report", "--force", **more).returncode == 1


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    running = Slurm()
    yield running
    running.remove()


def test_jobs_run_on_slurm(history: Site, slurm: Slurm) -> None:
    history.configure(history.extra + BATCH.format(group=""))
    more = {"SLURM_CONF": str(slurm.configuration), "PATH": slurm.environment["PATH"]}
    done = submit(history, "cron.sh", "--verbose", **more)
    assert done.returncode == 0, done.stderr
    slurm.wait_until_idle()
    assert days(history) == [("2024-01-31",)]
    (ticket,) = history.folder.glob("out/tickets/*/*-*[!P].json")
    assert '"ranks": 3' in ticket.read_text()
    assert "stored in" in "".join(path.read_text() for path in history.folder.glob("out/logs/*/lurge_report.*.err"))
    done = submit(history, "sbatch_submit.sh", "backfill", "--quiet", **more)
    assert done.returncode == 0, done.stderr
    slurm.wait_until_idle()
    assert days(history) == [("2024-01-29",), ("2024-01-30",), ("2024-01-31",)]


def test_slurm_passes_the_exit_status_on(history: Site, slurm: Slurm) -> None:
    history.configure(history.extra + BATCH.format(group=""))
    for dump in history.dumps.glob("*.gz"):
        dump.write_bytes(b"")
    more = {"SLURM_CONF": str(slurm.configuration), "PATH": slurm.environment["PATH"], "SBATCH_OPTIONS": "--wait"}
    assert submit(history, "sbatch_submit.sh", "report", **more).returncode == 1


def test_shellcheck_is_clean() -> None:
    need(None if shutil.which("shellcheck") else "shellcheck is not installed (Debian: shellcheck)")
    scripts = [*sorted(SCRIPTS.glob("*.sh")), SCRIPTS.parent.parent / "scripts" / "demo.sh"]
    done = subprocess.run(
        ["shellcheck", "-x", *scripts], capture_output=True, text=True, check=False, cwd=SCRIPTS.parent
    )
    assert done.returncode == 0, done.stdout
