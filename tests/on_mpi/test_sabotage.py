"""Ranks that fail or are killed: the job never hangs, and the database stays whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lurge.config.database import DatabaseConfig
from lurge.parallel.launch import ONE_MACHINE, find_mpiexec
from lurge.store.database import Database
from tests.facts import facts
from tests.processes import SECONDS_TO_END
from tests.site import Entry, Site

RANKS = 4


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two volumes, of which an older date is stored, and a new dump of each."""
    site = Site(tmp_path_factory.mktemp("site"), volumes=["scratch101", "scratch102"])
    site.configure(site.extra + "[mpi]\nblock_records = 5\n")
    site.base_directories((10, "/lustre/scratch101/a"), (10, "/lustre/scratch102/a"))
    for day, size in (("20240130", 5), ("20240131", 7)):
        for volume in site.volumes:
            entries = [Entry(f"/lustre/{volume}/a/{i % 9}/{i}.bam", size) for i in range(3000)]
            entries.append(Entry(f"/lustre/{volume}/a/.vault/keep/07-YS93aHk_Pz8udHh0"))
            site.dump(*entries, volume=volume, day=day)
        if day == "20240130":
            site.run()
    return site.folder


@pytest.fixture
def two_volumes(prepared: Path, tmp_path: Path) -> Site:
    """A copy of the prepared site."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    site = Site.__new__(Site)
    site.folder = tmp_path
    return site


def run_sabotaged(site: Site, sabotage: str, ranks: int = RANKS) -> tuple[int, str, float]:
    """(exit status, what it said, seconds from the kill to the end)."""
    clock = site.folder / "killed"
    command = [find_mpiexec(), "-n", str(ranks), sys.executable, "-m", "tests.on_mpi.saboteur"]
    done = subprocess.run(
        [*command, "report", "--config", str(site.config)],
        env={**os.environ, **ONE_MACHINE, "SABOTAGE": sabotage, "SABOTAGE_TIME": str(clock)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, time.time() - float(clock.read_text()) if clock.exists() else 0.0


def statuses(site: Site) -> dict[str, str]:
    """The status of each ticket, by its id."""
    documents = [json.loads(path.read_text()) for path in site.folder.glob("out/tickets/*/*-*.json")]
    jobs = [document for document in documents if "job_management" in document]
    return {document["job_ticket_id"]: document["job_management"]["job_status"] for document in jobs}


def stored(site: Site) -> dict[str, dict[str, list[str]]]:
    database = Database(DatabaseConfig(url=f"sqlite:///{site.database}"))
    found = facts(database)
    database.close()
    return found


@pytest.mark.parametrize("when", ["start", "middle", "storing"])
@pytest.mark.parametrize("who", ["coordinator", "controller", "worker"])
def test_a_killed_rank_ends_the_job(two_volumes: Site, who: str, when: str) -> None:
    """Each volume is as it was before or as it is after a whole run, and the next run goes on."""
    before, earlier = stored(two_volumes), statuses(two_volumes)
    status, said, seconds = run_sabotaged(two_volumes, f"kill {who} {when}")
    (killed,) = statuses(two_volumes).keys() - earlier.keys()
    assert status != 0, said
    assert (two_volumes.folder / "killed").exists(), said
    assert seconds < SECONDS_TO_END
    left = stored(two_volumes)
    done = two_volumes.run("--json")
    after = stored(two_volumes)
    states = {volume["volume"]: volume["state"] for volume in json.loads(done.stdout)["volumes"]}
    for name, content in left.items():
        assert content == (before if states[name] == "stored" else after)[name]
    if when != "middle":
        assert left == before
    tickets = statuses(two_volumes)
    (whole,) = tickets.keys() - earlier.keys() - {killed}
    assert (tickets[killed], tickets[whole]) == ("failure", "success")
    assert two_volumes.rows("select distinct used from lustre_usage where record_date = '2024-01-31'") == [(21100,)]


@pytest.mark.parametrize("who", ["controller", "worker"])
def test_an_exception_fails_the_volume_and_the_rest_goes_on(two_volumes: Site, who: str) -> None:
    status, said, _ = run_sabotaged(two_volumes, f"raise {who} middle")
    assert status == 3, said
    assert "rank " in said
    assert f"SabotageError: sabotaged {who}" in said
    stored = two_volumes.rows("select scratch_disk from volume_summary join volume using (volume_id)"
                              " where record_date = '2024-01-31'")  # fmt: skip
    assert len(stored) == 1


def test_late_reports_of_a_failed_volume_hold_nobody_up(two_volumes: Site) -> None:
    status, said, _ = run_sabotaged(two_volumes, "raise worker handing", ranks=5)
    assert status == 3, said


def test_an_unexpected_exception_of_the_coordinator_ends_the_job(two_volumes: Site) -> None:
    before = stored(two_volumes)
    status, said, _ = run_sabotaged(two_volumes, "raise coordinator middle")
    assert status == 1, said
    assert "Traceback" in said
    assert stored(two_volumes) == before
