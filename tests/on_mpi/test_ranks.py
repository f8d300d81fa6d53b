"""Equal input gives equal output on any number of ranks, and waiting ranks sleep."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lurge.parallel.launch import find_mpiexec
from lurge.source.synth.write import World, make_world
from tests.site import TODAY, Entry, Site, run_lurge


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    names = ("scratch101", "scratch102", "scratch103")
    list(make_world(World(5, names, 6000, ("5.0", "5.1", "6.4"), 1, TODAY), folder))
    return folder


@pytest.fixture(scope="module")
def alone(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return report(world, tmp_path_factory.mktemp("alone"), 1)


def report(world: Path, folder: Path, ranks: int) -> dict[str, object]:
    """Everything that a number of ranks stores and writes."""
    if folder != world:
        shutil.copytree(world, folder, dirs_exist_ok=True)
    done = run_lurge("report", "--config", str(folder / "lurge.toml"), "-n", str(ranks), "--quiet")
    assert done.returncode == 0, done.stderr
    site = Site.__new__(Site)
    site.folder = folder
    return site.everything()


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
def test_results_are_equal_on_any_number_of_ranks(
    world: Path, alone: dict[str, object], tmp_path: Path, ranks: int
) -> None:
    found = report(world, tmp_path, ranks)
    assert found.keys() == alone.keys()
    for name, content in found.items():
        assert content == alone[name], name


def test_results_are_equal_when_workers_are_lent(world: Path, alone: dict[str, object], tmp_path: Path) -> None:
    """Three controllers with a worker or two each; as they finish, their workers go over to the others."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "lurge.toml").open("a") as file:
        file.write("[mpi]\nworkers_per_volume = 1\nblock_records = 20\n")
    assert report(tmp_path, tmp_path, 8) == alone


def test_results_are_equal_without_shared_memory(world: Path, alone: dict[str, object], tmp_path: Path) -> None:
    """As between nodes: all text travels in messages."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    program = (
        "from lurge.__main__ import main; from lurge.parallel import worker; worker.attach = lambda _: None; main()"
    )
    command = [sys.executable, "-c", program, "report", "--config", str(tmp_path / "lurge.toml"), "--quiet"]
    subprocess.run([find_mpiexec(), "-n", "4", *command], check=True, timeout=120)
    site = Site.__new__(Site)
    site.folder = tmp_path
    assert site.everything() == alone


def test_ranks_may_be_started_by_mpiexec(site: Site) -> None:
    site.base_directories((10, "/a"))
    site.dump(Entry("/a/b", 3))
    command = [find_mpiexec(), "-n", "3", sys.executable, "-m", "lurge", "report", "--config", str(site.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert site.rows("select used from lustre_usage") == [(3,)]
    assert done.stdout.count("adds up") == 1


def test_every_rank_exits_with_the_status_of_the_job(site: Site) -> None:
    site.volumes = ["scratch101", "scratch102"]
    site.configure()
    site.base_directories((10, "/a"))
    site.dump(Entry("/a/b", 3))
    site.run("-n", "4", status=3)
    site.config.write_text("nonsense = 1\n")
    done = site.run("-n", "3", status=2)
    assert done.stderr.count("nonsense") == 1


def test_ranks_of_another_mpi_do_not_all_do_the_job(site: Site) -> None:
    """As if an mpiexec that mpi4py knows nothing of had started three processes."""
    site.base_directories((10, "/a"))
    site.dump(Entry("/a/b", 3))
    done = site.run(status=1, env={"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"})
    assert "started as 3 ranks" in done.stderr
    assert not site.database.exists()
    site.run(env={"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"})


def test_more_ranks_than_work_sleep(site: Site) -> None:
    """While one of eight ranks does nothing for three seconds, the others use little of a processor."""
    site.base_directories((10, "/a"))
    site.dump(*[Entry(f"/a/{i}", 3) for i in range(10)])
    slow = site.folder / "slow.py"
    slow.write_text(
        "import pathlib, threading, time\n"
        "from lurge.source import inflate\n"
        "from lurge.__main__ import main\n"
        "read_into = inflate.DumpReader.read_into\n"
        "def slowly(self, room):\n"
        "    if self.position == 0:\n"
        "        (folder / 'waiting').touch()\n"
        "        time.sleep(3)\n"
        "        (folder / 'done').touch()\n"
        "    return read_into(self, room)\n"
        "inflate.DumpReader.read_into = slowly\n"
        "def used_when(name):\n"
        "    while not (folder / name).exists() and threading.main_thread().is_alive():\n"
        "        time.sleep(0.05)\n"
        "    return time.process_time()\n"
        "def measure():\n"
        "    before = used_when('waiting')\n"
        "    used = used_when('done') - before\n"
        "    with (folder / 'used').open('a') as file:\n"
        "        file.write(f'{used}\\n')\n"
        "folder = pathlib.Path(__file__).parent\n"
        "threading.Thread(target=measure).start()\n"
        "main()\n"
    )
    command = [find_mpiexec(), "-n", "8", sys.executable, str(slow), "report", "--config", str(site.config), "-q"]
    subprocess.run(command, check=True, timeout=120)
    used = [float(line) for line in (site.folder / "used").read_text().split()]
    assert len(used) == 8
    assert sum(used) < 0.1 * 8 * 3
