"""Nobody stops the night: names of people, files of neighbours, what killed processes left, a disk that is full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.atomic import is_abandoned, remove_abandoned, unfinished_folder, unfinished_name, whole_file
from lurge.cli.progress import LogWatcher
from lurge.config.basedirs import BasedirsConfig
from lurge.errors import OutputError
from lurge.parallel.launch import find_mpiexec
from lurge.pipeline import basedirs
from lurge.pipeline.planning import needed_memory_mb
from lurge.source.finding import read_base_directories
from lurge.source.scan import scan_tree
from tests.hostile import strategies
from tests.services import need
from tests.site import GROUPS, Entry, Site, run_lurge

# Names in base directories


def test_a_name_that_no_line_can_hold_does_not_stop_the_report(site: Site) -> None:
    odd = ["/p/cr\r", "/p/c\rr", "/p/new\nline"]
    dump = site.dump(*[Entry(f"{top}/x/f", 7) for top in [*odd, "/p/good"]])
    made = run_lurge("basedirs", str(dump), "--depth", "2")
    assert made.returncode == 0, made.stderr
    assert "3 directories have a carriage return or a newline" in made.stderr
    assert "/p/c\\x0dr" in made.stderr
    site.run()
    assert site.rows(GROUPS) == [("/p/good", "ten", "Dr Ten", 7, 1)]
    assert site.rows("select used from unattributed_usage") == [(21,)]


def test_depth_0_is_the_root(site: Site) -> None:
    dump = site.dump(Entry("/p/x", 7), Entry("/y", 5))
    made = run_lurge("basedirs", str(dump), "--depth", "0")
    assert made.returncode == 0, made.stderr
    assert (site.dumps / "20240131.basedirs").read_bytes() == b"10\t/\n"
    site.run()
    assert site.rows("select directory_path, used from lustre_usage join base_directory using (base_directory_id)") == [
        ("/", 12)
    ]


few_bytes = st.text("/ab\r\n\t \\", max_size=12).map(lambda text: b"/" + text.encode())
absolute_paths = strategies.paths().map(lambda path: b"/" + path.removeprefix(b"/")) | few_bytes


@given(st.lists(absolute_paths, max_size=8), st.integers(0, 3) | st.none())
def test_report_reads_the_base_directories_that_basedirs_writes(
    tmp_path_factory: pytest.TempPathFactory, paths: list[bytes], depth: int | None
) -> None:
    folder = tmp_path_factory.mktemp("basedirs")
    text = b"".join(Entry(path, gid=gid).line() for gid, path in enumerate(paths))
    dump = folder / "20240131_v.a.b.stats.gz"
    dump.write_bytes(text or b"\n")
    target, count = basedirs.make_base_directories([dump], BasedirsConfig(depth=depth), (), None, LogWatcher())
    read = read_base_directories(target)
    assert len(read) == count
    assert all(path.startswith(b"/") and not path.endswith((b"\r", b"\n")) for _, path in read)


# A split that fails


FULL = """
import resource, signal
from lurge.export.parts import VolumeParts
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
begin = VolumeParts.__init__
def on_a_small_disk(self, *arguments):
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    begin(self, *arguments)
VolumeParts.__init__ = on_a_small_disk
from lurge.__main__ import main
main()
"""
"""A limit on the size of files stands in for the disk's."""


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_full_split_directory_fails_the_split_alone(site: Site, ranks: int) -> None:
    site.base_directories((10, "/p"))
    site.dump(*[Entry(f"/p/{os.urandom(60).hex()}", 1) for _ in range(20_000)])
    launch = [find_mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    command = [*launch, sys.executable, "-c", FULL, "report", "--split", "-c", str(site.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "nothing is published by group: scratch101: cannot write below" in done.stdout
    assert site.rows("select used from lustre_usage") == [(20_000,)]
    assert len(site.tsv_bytes()) == 5
    assert [path.name for path in (site.folder / "out/groups").iterdir()] == [".lock"]
    again = run_lurge("split", "-c", str(site.config))
    assert again.returncode == 0, again.stderr
    assert (site.folder / "out/groups/20240131/ten.dat.gz").exists()


def test_a_split_directory_that_cannot_be_made_fails_the_split_alone(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 1))
    (site.folder / "out").mkdir()
    (site.folder / "out" / "groups").write_text("in the way")
    done = site.run("--split", status=3)
    assert "groups" in done.stdout
    assert site.rows("select used from lustre_usage") == [(1,)]


# Links that somebody planted


def test_links_in_output_directories_are_not_followed(site: Site, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 1))
    groups = site.folder / "out" / "groups"
    groups.mkdir(parents=True)
    (groups / ".lock").symlink_to(victim)
    (groups / ".parts.unfinished").symlink_to(tmp_path)
    (groups / "20240131").symlink_to(tmp_path)
    done = site.run("--split", status=3)
    assert "cannot write" in done.stdout
    assert site.rows("select used from lustre_usage") == [(1,)]
    (groups / ".lock").unlink()
    site.run("--split")
    assert (groups / "20240131" / "ten.dat.gz").exists()
    assert not (groups / "20240131").is_symlink()
    lock = site.database.with_name("lurge.db.lock")
    lock.unlink()
    lock.symlink_to(victim)
    assert "cannot lock" in site.run("--force", status=1).stderr
    assert victim.read_text() == "precious"


def test_a_link_of_another_user_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    need(None if os.getuid() == 0 else "only root can give a link away")
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / ".x.0123.unfinished").touch()
    (tmp_path / "reports").symlink_to(tmp_path / "private")
    with whole_file(tmp_path / "reports" / "own") as file:
        file.write(b"a link of one's own is followed")
    os.chown(tmp_path / "reports", 65534, 65534, follow_symlinks=False)
    with pytest.raises(OutputError, match="link that another user made"), whole_file(tmp_path / "reports" / "x"):
        pass
    remove_abandoned(tmp_path / "reports", fresh_seconds=0)
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == [".x.0123.unfinished", "own"]


@pytest.mark.parametrize(("name", "status"), [("lurge.db", 1), ("tickets", 0)])
def test_a_link_of_another_user_to_a_database_or_to_tickets_is_refused(site: Site, name: str, status: int) -> None:
    need(None if os.getuid() == 0 else "only root can give a link away")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 1))
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    link = site.folder / "out" / name
    link.parent.mkdir()
    link.symlink_to(elsewhere / "new.db" if name == "lurge.db" else elsewhere)
    os.chown(link, 65534, 65534, follow_symlinks=False)
    done = site.run(status=status)
    assert "link that another user made" in done.stderr
    assert list(elsewhere.iterdir()) == []


def test_an_unfinished_file_has_a_name_that_nobody_can_guess(tmp_path: Path) -> None:
    assert unfinished_name("x") != unfinished_name("x")
    with whole_file(tmp_path / "x") as file:
        (beside,) = tmp_path.iterdir()
        file.write(b"new")
        assert beside.stat().st_nlink == 1
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


# What killed processes left


def test_what_a_killed_process_left_is_removed_and_only_that(tmp_path: Path) -> None:
    code = (
        "import os, sys, signal; from pathlib import Path; from lurge.atomic import whole_file, unfinished_folder\n"
        "with whole_file(Path(sys.argv[1]) / 'x') as f, unfinished_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'part').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".other").touch()
    (tmp_path / ".link.0123.unfinished").symlink_to(tmp_path / ".other")
    with whole_file(tmp_path / "mine"), unfinished_folder(tmp_path):
        remove_abandoned(tmp_path)
        assert len(list(tmp_path.iterdir())) == 6
        remove_abandoned(tmp_path, fresh_seconds=0)
        assert len(list(tmp_path.iterdir())) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [".link.0123.unfinished", ".other", "mine"]
    assert not is_abandoned(tmp_path / ".link.0123.unfinished")


def test_the_next_report_removes_unfinished_tables(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 1))
    site.run()
    left = site.folder / "out" / "user-reports" / unfinished_name("2024-01-30.tsv")
    left.write_text("half")
    site.run()
    assert not left.exists()


def test_the_next_scan_removes_an_unfinished_dump(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    left = tmp_path / "dumps" / unfinished_name("folder")
    left.mkdir(parents=True)
    scan_tree(tmp_path / "tree", tmp_path / "dumps", processes=1)
    assert left.exists(), "it is too young"
    real = time.time
    try:
        time.time = lambda: real() + 3600
        scan_tree(tmp_path / "tree", tmp_path / "dumps", processes=1)
    finally:
        time.time = real
    assert not left.exists()
    assert len(list((tmp_path / "dumps").iterdir())) == 2


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"), whole_file(tmp_path / "file" / "x"):
        pass


def test_very_many_absurd_sizes_are_said_in_few_words(site: Site) -> None:
    site.base_directories((10, "/p"))
    huge = 2**63 - 1
    site.dump(*[Entry(f"/p/d{i}/{j}", huge) for i in range(100) for j in range(2)])
    done = site.run()
    assert done.stdout.count("more than a database holds") == 8
    assert "94 more rows are marked so" in done.stdout
    assert site.rows("select count(*) from directory where capped") == [(100,)]


# Memory


def test_plan_asks_for_the_memory_that_many_directories_need(site: Site) -> None:
    assert needed_memory_mb([]) < 300
    assert needed_memory_mb([10]) < 300
    assert needed_memory_mb([500_000]) > 401 * 1.05
    assert needed_memory_mb([2_000_000]) > 1004 * 1.05
    assert needed_memory_mb([5_000_000]) > 2242 * 1.05
    assert needed_memory_mb([1_000_000] * 3) > needed_memory_mb([1_000_000])
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 1))
    site.run()
    plan = run_lurge("plan", "-c", str(site.config), "--shell").stdout
    assert "memory_mb_a_rank=1000\n" in plan
    with site.config.open("a") as file:
        file.write("[batch]\nmemory_mb = 100\n")
    plan = run_lurge("plan", "-c", str(site.config), "--shell").stdout
    assert "memory_mb_a_rank=271\n" in plan
