"""Any process of a job killed at any moment: a whole state stands, and the next run goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from lurge.atomic import UNFINISHED
from lurge.config.database import DatabaseConfig
from lurge.parallel.launch import find_mpiexec
from lurge.store.database import Database
from tests.facts import facts
from tests.processes import SECONDS_TO_END, job, processes_of, wait_for_none
from tests.site import Entry, Site
from tests.soak.compare import Difference

KILLS_A_ROUND = 2
LONGEST_DELAY = 3.5


@cache
def prepared() -> tuple[Site, dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    """Two volumes with a stored and a new dump of each, and what is stored before and after the new ones."""
    site = Site(Path(tempfile.mkdtemp(prefix="lurge-attack-")), volumes=["scratch101", "scratch102"])
    site.configure("[mpi]\nblock_records = 20\n")
    site.base_directories((10, "/lustre/scratch101/a"), (10, "/lustre/scratch102/a"))
    stored_states = []
    for day, size in (("20240130", 5), ("20240131", 7)):
        for volume in site.volumes:
            entries = [Entry(f"/lustre/{volume}/a/{i % 9}/{i}.bam", size) for i in range(4000)]
            entries.append(Entry(f"/lustre/{volume}/a/.vault/keep/07-YS93aHk_Pz8udHh0"))
            site.dump(*entries, volume=volume, day=day)
        copied = copy_of(site, site.folder.with_name(f"{site.folder.name}-{day}"))
        copied.run()
        stored_states.append(stored(copied))
        if day == "20240130":
            shutil.copytree(copied.folder / "out", site.folder / "out")
        shutil.rmtree(copied.folder)
    return site, stored_states[0], stored_states[1]


def copy_of(site: Site, folder: Path) -> Site:
    shutil.copytree(site.folder, folder, dirs_exist_ok=True)
    copied = Site.__new__(Site)
    copied.folder, copied.volumes, copied.extra = folder, site.volumes, site.extra
    return copied


def stored(site: Site) -> dict[str, dict[str, list[str]]]:
    database = Database(DatabaseConfig(url=f"sqlite:///{site.database}"))
    try:
        return facts(database)
    finally:
        database.close()


def kills(rng: random.Random, seed: int, folder: Path) -> None:
    """Kill any process of a job; then look at what stands, and let the next run go on."""
    source, before, after = prepared()
    for turn in range(KILLS_A_ROUND):
        site = copy_of(source, folder / str(turn))
        ranks = rng.choice([1, 1, 2, 3, 4])
        launch = [find_mpiexec(), "-n", str(ranks)] if ranks > 1 else []
        options = ["--split"] if rng.random() < 0.3 else []
        command = [*launch, sys.executable, "-m", "lurge", "report", "-c", str(site.config), *options]
        mark = str(site.folder)
        with job(mark, command, site.folder / "said") as process:
            delay = time.monotonic() + rng.uniform(0, LONGEST_DELAY)
            while time.monotonic() < delay and process.poll() is None:
                time.sleep(0.005)
            alive = processes_of(mark)
            if alive:
                os.kill(rng.choice(alive), rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            process.wait(SECONDS_TO_END)
            wait_for_none(mark)
        for name, content in stored(site).items():
            if content not in (before[name], after[name]):
                raise Difference(f"{site.folder}: {name} is neither as before nor as after")
        site.run(*options)
        if stored(site) != after:
            raise Difference(f"{site.folder}: the next run does not give what a whole run gives")
        if left := [str(path) for path in (site.folder / "out").rglob(f".*{UNFINISHED}") if "tickets" not in str(path)]:
            raise Difference(f"left behind: {left}")
