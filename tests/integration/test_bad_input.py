"""Bad input of any kind: one clear message that names the place and says what to do, and no traceback."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import Entry, Site, run_lurge


def check(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    assert "->" in said
    for word in words:
        assert word in said


@pytest.fixture
def good(site: Site) -> Site:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a", 5))
    return site


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    check(run_lurge("report", "--config", str(tmp_path / "none.toml")), 2, "none.toml", "no such file")


def test_a_mistake_in_the_configuration_is_named_with_its_place(good: Site) -> None:
    good.config.write_text("[dumps\n")
    check(good.run(status=2), 2, "lurge.toml", "line 1")
    good.configure("[mpi]\nblocks = 3\n")
    check(good.run(status=2), 2, "lurge.toml", "mpi.blocks", "is unknown")


@pytest.mark.parametrize("arguments", [["nonsense"], ["report", "--nonsense"]])
def test_an_unknown_command_or_option_is_wrong_usage(arguments: list[str]) -> None:
    assert run_lurge(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "-c", "lurge.toml", "--quiet", "--verbose"], ["exclude each other"]),
        (["synth", "-o", "world", "--era", "9"], ["--era 9"]),
        (["basedirs", "lurge.toml"], ["lurge.toml", "no record of a file"]),
        (["basedirs", "nothing"], ["nothing", "No such file"]),
    ],
)
def test_wrong_usage_is_refused_with_advice(
    good: Site, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(good.folder)
    check(run_lurge(*arguments), 2, *words)


def test_missing_or_malformed_base_directories_are_named(good: Site) -> None:
    (good.dumps / "20240101.basedirs").write_text("10\t/p\nten\t/q\n")
    check(good.run(status=1), 1, "20240101.basedirs:2:", "gid<TAB>absolute path")
    (good.dumps / "20240101.basedirs").unlink()
    check(good.run(status=1), 1, "no .basedirs file", "lurge basedirs")


def test_a_malformed_line_of_names_is_named(good: Site) -> None:
    (good.folder / "groups.tsv").write_text("10\tten\n\nx\ty\n")
    check(good.run(status=1), 1, "groups.tsv:3:")


def test_a_file_that_is_not_a_database_is_refused(good: Site) -> None:
    good.database.parent.mkdir()
    good.database.write_text("this is no database" * 100)
    check(good.run(status=1), 1, "lurge.db", "not a database")


def test_a_report_directory_that_cannot_be_written_is_named_before_reading(good: Site) -> None:
    (good.folder / "file").touch()
    good.configure('[reports]\ndirectory = "file"\n')
    check(good.run(status=1), 1, "reports.directory", f"{good.folder}/file is not a directory")
    assert "reading" not in good.run(status=1).stderr
    assert "reports.directory" in run_lurge("backfill", "-c", str(good.config)).stderr


def limited(bytes_a_file: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run lurge where no file may grow beyond a size, as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, bytes_a_file))

    command = [sys.executable, "-B", "-m", "lurge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)


def test_a_database_of_a_newer_lurge_is_refused(good: Site) -> None:
    good.run()
    connection = sqlite3.connect(good.database)
    connection.execute("update alembic_version set version_num = '9999'")
    connection.commit()
    connection.close()
    check(good.run(status=1), 1, "9999", "newer version of lurge")


@pytest.mark.parametrize("ranks", ["1", "3"])
def test_output_that_nobody_reads_shows_no_traceback(good: Site, ranks: str) -> None:
    command = [sys.executable, "-m", "lurge", "report", "--config", str(good.config), "-n", ranks]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or ranks == "3"


def test_output_without_room_is_an_error(good: Site) -> None:
    command = [sys.executable, "-m", "lurge", "report", "--config", str(good.config)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "cannot write standard output" in done.stderr
    assert "Traceback" not in done.stderr
    assert good.rows("select used from lustre_usage") == [(5,)]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("ranks", ["1", "2"])
def test_streams_that_are_closed_are_no_reason_to_fail(good: Site, closed: str, ranks: str) -> None:
    command = f"{sys.executable} -m lurge report --config {good.config} -n {ranks} {closed}"
    done = subprocess.run(["sh", "-c", command], check=False)
    assert done.returncode == 0
    assert good.rows("select used from lustre_usage") == [(5,)]


def test_the_callers_input_is_left_to_it(good: Site) -> None:
    command = f"{sys.executable} -m lurge report --config {good.config} -n 2 >&2; wc -l"
    done = subprocess.run(["sh", "-c", command], input="a\nb\n", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"


def test_places_that_may_not_be_looked_at(good: Site, tmp_path: Path) -> None:
    """Folders that may not be searched: around the configuration, the dumps, and one foreign dump."""
    # Root may look everywhere, unless it leaves these rights behind.
    plainly = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*plainly, sys.executable, "-m", "lurge", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    (good.dumps / "20240131-000000_／other").mkdir(mode=0)
    done = run("report", "--config", str(good.config))
    assert done.returncode == 0, done.stdout + done.stderr
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    check(run("report", "--config", str(locked / "lurge.toml")), 2, "locked")
    good.config.write_text(good.config.read_text().replace('"dumps"', f'"{locked}/dumps"'))
    check(run("report", "--config", str(good.config)), 2, "dumps.directory")
    check(run("basedirs", str(locked / "20240131_x.a.b.stats.gz")), 1, "Permission denied")
    good.configure()
    good.dumps.chmod(0o300)
    check(run("report", "--config", str(good.config), "--force"), 1, "Permission denied")
    assert "Permission denied" in run("report", "--config", str(good.config), "--force", "--quiet").stderr
    good.dumps.chmod(0o700)


def test_a_full_disk_under_the_database(good: Site) -> None:
    good.run()
    before = good.sql()
    good.dump(*[Entry(f"/p/directory-{i}/a", 5) for i in range(20_000)])
    done = limited(good.database.stat().st_size + 8192, "report", "--config", str(good.config), "--force")
    check(done, 1, "lurge.db")
    assert good.sql() == before


def test_a_full_disk_under_a_scan(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for i in range(3000):
        (tree / f"{i}-{os.urandom(20).hex()}").touch()
    check(limited(20_000, "scan", str(tree), "-o", str(tmp_path / "dumps")), 1, "cannot write", "dumps")
    assert list((tmp_path / "dumps").iterdir()) == []


def test_a_full_disk_under_a_world(tmp_path: Path) -> None:
    check(limited(100_000, "synth", "-o", str(tmp_path / "w"), "--records", "50000"), 1, "cannot write")


def test_a_tree_that_is_not_there(tmp_path: Path) -> None:
    check(run_lurge("scan", str(tmp_path / "none"), "-o", str(tmp_path)), 1, "none", "No such file")


def test_a_world_is_not_made_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    command = ("synth", "-o", str(tmp_path), "--records", "100", "--volumes", "1")
    check(run_lurge(*command), 2, str(tmp_path), "is not empty", "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert run_lurge(*command, "--force").returncode == 0
    assert (tmp_path / "lurge.toml").exists()
    assert (tmp_path / "mine").read_text() == "x"
    check(run_lurge("synth", "-o", str(tmp_path / "mine")), 1, "mine", "Not a directory")


@pytest.mark.parametrize("command", [("db", "check"), ("doctor",), ("plan",), ("plan", "--backfill")])
def test_what_only_looks_makes_nothing(site: Site, command: tuple[str, ...]) -> None:
    """No database, no directory; beside a database no files of its log."""
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x"))
    before = set(site.folder.rglob("*"))
    done = run_lurge(*command, "--config", str(site.config))
    assert set(site.folder.rglob("*")) == before
    if command == ("db", "check"):
        check(done, 1, f"the database {site.database} does not exist", "lurge db upgrade")
    site.run()
    for suffix in ("-wal", "-shm"):
        site.database.with_name(f"lurge.db{suffix}").unlink()
    before = set(site.folder.rglob("*"))
    assert run_lurge(*command, "--config", str(site.config)).returncode == 0
    assert set(site.folder.rglob("*")) == before


def test_the_files_of_a_log_that_are_there_stay(site: Site) -> None:
    """A viewer who may not write needs them."""
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x"))
    site.run()
    log = [site.database.with_name(f"lurge.db{suffix}") for suffix in ("-wal", "-shm")]
    assert run_lurge("db", "check", "--config", str(site.config)).returncode == 0
    assert all(path.exists() for path in log)
    for path in log:
        path.unlink()
    assert run_lurge("db", "upgrade", "--config", str(site.config)).returncode == 0
    assert all(path.exists() for path in log)
