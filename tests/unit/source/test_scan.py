"""Scanning real trees."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lurge.aggregate.plain import decode_quoted
from lurge.errors import OutputError, ScanError
from lurge.source import walk
from lurge.source.finding import dump_of
from lurge.source.scan import scan_tree
from tests.processes import SECONDS_TO_END
from tests.walking import take_statx_away


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with every type of entry and hostile names."""
    root = os.fsencode(tmp_path / "tree")
    os.makedirs(root + b"/a/b/c")
    os.makedirs(root + b"/a.b")
    os.makedirs(root + b"/caf\xe9/new\nline")
    for name in (b"a/file", b"a/b/c/x.bam", b'a/q"\\', b"a!", b"a0", b"caf\xe9/tab\t", b"caf\xe9/new\nline/z"):
        Path(os.fsdecode(root + b"/" + name)).write_bytes(b"12345")
    os.link(root + b"/a/file", root + b"/a/link")
    os.symlink(b"/", root + b"/a/root")
    os.mkfifo(root + b"/fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fsdecode(root + b"/socket"))
    os.utime(root + b"/a/b/c/x.bam", (-5, -86400))
    return Path(os.fsdecode(root))


def lines_of(dump: Path) -> list[list[bytes]]:
    return [line.split(b"\t") for line in gzip.decompress(dump.read_bytes()).split(b"\n")[:-1]]


def expected(root: Path, blocks: bool = False) -> list[list[bytes]]:
    """The same by os.walk, in the order of paths."""
    found = {}
    for folder, directories, files in os.walk(os.fsencode(root)):
        for name in [b"", *directories, *files]:
            path = os.path.join(folder, name) if name else folder
            status = os.lstat(path)
            kind = {0o10: b"f", 0o04: b"d", 0o12: b"l", 0o14: b"s", 0o01: b"F"}[status.st_mode >> 12]
            size = status.st_blocks * 512 if blocks else status.st_size
            numbers = (size, status.st_uid, status.st_gid, status[7], status[8], status[9])
            rest = (status.st_ino, status.st_nlink, status.st_dev, status.st_size)
            shown = path + (b"/" if kind == b"d" else b"")
            found[shown] = [shown, *(b"%d" % n for n in numbers), kind, *(b"%d" % n for n in rest)]
    return [found[path] for path in sorted(found)]


@pytest.mark.parametrize("unit_seconds", [0.05, 0.0])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_scan_has_every_entry_once_and_sorted(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit_seconds: float, blocks: bool
) -> None:
    monkeypatch.setattr(walk, "UNIT_SECONDS", unit_seconds)
    monkeypatch.setattr(walk, "MIN_ENTRIES_A_UNIT", 2)
    result = scan_tree(tree, tmp_path / "dumps", blocks=blocks, processes=3)
    lines = lines_of(result.dump)
    decoded = [[decode_quoted(path), *rest] for path, *rest in lines]
    # atime changes when a directory is listed
    assert [line[:4] + line[5:] for line in decoded] == [line[:4] + line[5:] for line in expected(tree, blocks)]
    assert result.entries == len(lines)
    assert result.unreadable == result.vanished == 0
    found = dump_of(result.dump.parent)
    assert found
    assert found[0] == str(tree).replace("/", "／")


def test_a_dump_is_published_whole_or_not_at_all(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "dumps"

    def interrupt(entries: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan_tree(tree, target, advanced=interrupt)
    assert list(target.iterdir()) == []


def test_scans_in_one_second_get_names_of_their_own(tree: Path, tmp_path: Path) -> None:
    found = {scan_tree(tree, tmp_path / "dumps", processes=1).dump for _ in range(3)}
    assert len(found) == 3
    assert {path.parent for path in found} == set((tmp_path / "dumps").iterdir())


def test_a_killed_scan_leaves_no_process(tmp_path: Path) -> None:
    marker = f"lurge-{os.getpid()}-killed"
    for number, wanted in ((signal.SIGKILL, None), (signal.SIGTERM, [])):
        target = tmp_path / f"{marker}-{number}"
        scan = subprocess.Popen([sys.executable, "-m", "lurge", "scan", "/usr", "-o", str(target), "-q"])
        while not target.exists():
            time.sleep(0.01)
        scan.send_signal(number)
        scan.wait()
        deadline = time.monotonic() + SECONDS_TO_END
        while left := running(str(target)):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        assert wanted is None or list(target.iterdir()) == wanted


def running(word: str) -> list[str]:
    """The processes with a word in their command lines."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line.decode(errors="replace") for line in lines if word.encode() in line]


def test_a_target_that_cannot_be_written_is_an_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        scan_tree(tree, tmp_path / "file")


def test_a_root_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="nowhere"):
        scan_tree(tmp_path / "nowhere", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ScanError, match="directory"):
        scan_tree(tmp_path / "file", tmp_path)


def test_directories_that_vanish_do_not_fail_a_scan(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for i in range(400):
        (root / f"{i}" / "x").mkdir(parents=True)
    stop = threading.Event()

    def remove() -> None:
        for i in range(399, -1, -1):
            if stop.is_set():
                return
            (root / f"{i}" / "x").rmdir()
            (root / f"{i}").rmdir()

    remover = threading.Thread(target=remove)
    remover.start()
    result = scan_tree(root, tmp_path / "dumps", processes=2)
    stop.set()
    remover.join()
    assert result.entries == len(lines_of(result.dump))


def test_unreadable_directories_are_counted(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: bytes | int) -> object:
        if isinstance(path, bytes) and path.endswith(b"/a/b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    take_statx_away(monkeypatch)
    monkeypatch.setattr(walk.os, "scandir", refuse)
    result = scan_tree(tree, tmp_path / "dumps")
    assert result.unreadable == 1
    assert result.problems == [f"{tree}/a/b: Permission denied"]
    assert not any(b"x.bam" in line[0] for line in lines_of(result.dump))


def test_slow_stats_are_in_flight_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for i in range(1500):
        (root / f"{i}").touch()
    lstat = os.lstat
    walkers = tmp_path / "walkers"

    def slowly(path: bytes, **others: int) -> os.stat_result:
        if not others:
            with walkers.open("a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(0.005)
        return lstat(path, **others)

    take_statx_away(monkeypatch)
    monkeypatch.setattr(walk.os, "lstat", slowly)
    result = scan_tree(root, tmp_path / "dumps", processes=32)
    assert result.processes > 8
    assert len(set(walkers.read_text().split())) > 8


def test_other_file_systems_are_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "mounted").mkdir(parents=True)
    (root / "file").touch()
    mount = subprocess.run(["mount", "-t", "tmpfs", "none", root / "mounted"], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("mounting needs root and its rights")
    try:
        (root / "mounted" / "inside").touch()
        names = [line[0].rsplit(b"/", 2)[-2:] for line in lines_of(scan_tree(root, tmp_path / "one").dump)]
        assert [b"mounted", b'"'] in names
        assert not any(b"inside" in name[-1] for name in names)
        crossing = lines_of(scan_tree(root, tmp_path / "two", cross=True).dump)
        assert any(b"inside" in line[0] for line in crossing)
    finally:
        subprocess.run(["umount", root / "mounted"], check=True)
