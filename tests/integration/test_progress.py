"""What a person sees while it works: bars on a terminal, also through mpiexec; lines in a log."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lurge.cli import progress, scan
from lurge.parallel.launch import find_mpiexec
from tests.site import Entry, Site
from tests.terminal import on_a_terminal, screen

TITLES = """
import os, pathlib
from lurge.pipeline import site
from lurge.parallel import controller
def show(*_):
    own = pathlib.Path(f"/proc/{os.getpid()}")
    assert b"PMI_RANK=" in (own / "environ").read_bytes()
    print((own / "cmdline").read_bytes().strip(b"\\0").decode(), flush=True)
store, read = site.store_volume, controller.Reader
site.store_volume = lambda *arguments: (show(), store(*arguments))
controller.Reader = lambda *arguments: (show(), read(*arguments))[1]
from lurge.__main__ import main
main()
"""


def test_processes_are_named_by_their_roles(site: Site) -> None:
    pytest.importorskip("setproctitle", reason="the package setproctitle is not installed")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x"))
    command = [find_mpiexec(), "-n", "3", sys.executable, "-c", TITLES, "report", "-q", "-c", str(site.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.splitlines()[:2]) == ["lurge: coordinator", "lurge: scratch101 controller"]


@pytest.mark.parametrize("ranks", ["1", "3"])
def test_each_volume_has_a_bar(site: Site, ranks: str) -> None:
    site.volumes = ["scratch101", "scratch102"]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in site.volumes:
        site.dump(*[Entry(f"/p/{i}") for i in range(3000)], volume=volume)
    shown = on_a_terminal("report", "--config", str(site.config), "-n", ranks)
    for volume in site.volumes:
        assert re.search(volume + r" .*━.*100%.* lines/s", shown)
    assert "adds up" in shown


@pytest.mark.parametrize("ranks", ["1", "3"])
def test_bars_and_logs_do_not_run_into_each_other(site: Site, ranks: str) -> None:
    """Every rank writes logs while rank 0 knows how far volumes are; only logs are wider than it."""
    site.volumes = [f"scratch10{number}-of-a-long-name" for number in range(4)]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in site.volumes:
        site.dump(*[Entry(f"/p/{i}") for i in range(3000)], volume=volume)
    lines = screen(on_a_terminal("report", "--config", str(site.config), "-n", ranks, "--verbose"))
    logged = [line for line in lines if re.search(r" (INFO|DEBUG|WARNING) ", line)]
    assert len(logged) > len(site.volumes)
    if ranks == "3":
        assert any("rank 1" in line for line in logged)
    for line in logged:
        assert re.match(r"\S+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +(rank|lurge|MainThread)", line), line
        assert "━" not in line
    bars = [line for line in lines if "━" in line]
    assert sorted(line.split()[0] for line in bars) == site.volumes
    for line in bars:
        assert re.fullmatch(r"\S+ ━+ 100% +[\d,]+ lines/s \d:\d\d:\d\d *", line), line
        assert len(line) <= 80
    below = lines[lines.index(bars[-1]) + 1 :]
    assert sum("adds up" in line for line in below) == len(site.volumes)


def test_a_scan_shows_its_entries(site: Site) -> None:
    shown = on_a_terminal("scan", str(site.folder), "--output", str(site.folder / "scanned"))
    assert "entries in" in shown


def test_a_counter_fits_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert scan.on_one_line(Path("/short"), "1 entry, 5/s") == "/short: 1 entry, 5/s"
    text = scan.on_one_line(Path("/a/very/long/path/that/does/not/fit"), "12,345 entries, 5/s")
    assert text == "...at/does/not/fit: 12,345 entries, 5/s"
    assert len(text) == 39
    assert scan.on_one_line(Path("/\x1b[31m"), "1 entry") == "/\\x1b[31m: 1 entry"


def test_a_log_has_a_line_of_progress_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    monkeypatch.setattr(progress.log, "parent", logging.getLogger())
    watcher = progress.LogWatcher()
    watcher.started("scratch101", 1000)
    with caplog.at_level(logging.INFO):
        watcher.advanced("scratch101", 250, 5000)
        watcher.ended("scratch101", "it broke")
    assert re.match(r"scratch101: 25%, 5,000 lines, [\d,]+ lines/s, \d+ s left", caplog.messages[0])
    assert caplog.messages[1] == "it broke"
