"""`lurge look` shows any tree without configuration, also after an interrupt, and with any names in it."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lurge.cli.main import application
from lurge.source import walk
from lurge.tree import open_tree, volumes
from tests.processes import MARK, SECONDS_TO_END, processes_of, wait_for_none
from tests.site import run_lurge
from tests.terminal import on_a_terminal, screen
from tests.walking import take_statx_away

HOSTILE = ["\x1b[31mred", "new\nline", "tab\t", "\x9b2J", "reverse\u202etxt", "bell\x07", "invalid\udcff"]
YEAR = 365 * 86400
MANY = 80_000
CLEAR_LINE = "\r\x1b[K"


def make_file(path: Path, size: int, mtime: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, size)
    os.utime(path, (mtime, mtime))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Files of known sizes and times, one of which has two names."""
    project = tmp_path / "project"
    for number in range(5):
        make_file(project / "data" / f"{number}.bam", (number + 1) << 20, 10 * YEAR + number)
        make_file(project / "notes" / f"{number}.txt", number << 14, 5 * YEAR + number)
    os.link(project / "data" / "4.bam", project / "data" / "again.bam")
    return project


def asked(*arguments: str) -> Any:
    done = run_lurge("look", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_is_that_of_a_tree_with_files_and_whether_all_was_seen(project: Path) -> None:
    answer = asked(str(project), "--top", "2")
    assert {"volume", "date", "path", "filters", "total", "here", "children"} <= answer.keys()
    assert answer["largest"] == [
        {"path": f"{project}/data/4.bam", "bytes": 5 << 20, "mtime": "1979-12-30T00:00:04Z"},
        {"path": f"{project}/data/3.bam", "bytes": 4 << 20, "mtime": "1979-12-30T00:00:03Z"},
    ]
    assert answer["oldest"] == [
        {"path": f"{project}/notes/0.txt", "bytes": 0, "mtime": "1974-12-31T00:00:00Z"},
        {"path": f"{project}/notes/1.txt", "bytes": 1 << 14, "mtime": "1974-12-31T00:00:01Z"},
    ]
    assert answer["small"] == {"files": 5, "bytes": 10 << 14}
    assert (answer["complete"], answer["unreadable"], answer["unreadable_entries"]) == (True, [], 0)


def test_people_see_everything_on_one_page(project: Path) -> None:
    lines = run_lurge("look", str(project), "--top", "3").stdout.splitlines()
    assert lines[0].startswith(f"{project}  project, ")
    sections = {line: number for number, line in enumerate(lines) if line and not line.startswith(" ")}
    assert list(sections)[1:-1] == ["Groups", "People", "Types", "Ages", "Largest files", "Oldest files"]
    rows = {head: [line.split() for line in lines[number + 1 :]] for head, number in sections.items()}
    assert rows["Groups"][0][-1] == grp.getgrgid(os.getgid()).gr_name
    assert rows["People"][0][-1] == pwd.getpwuid(os.getuid()).pw_name
    assert rows["Types"][0][-1] == "BAM"
    assert [row[-1] for row in rows["Largest files"][:3]] == [f"data/{number}.bam" for number in (4, 3, 2)]
    assert rows["Oldest files"][:3] == [
        ["0", "B", "1974-12-31", "notes/0.txt"],
        ["16.0", "KiB", "1974-12-31", "notes/1.txt"],
        ["32.0", "KiB", "1974-12-31", "notes/2.txt"],
    ]
    assert lines[-1] == "5 of 11 files have at most 64 KiB: 160.0 KiB"


def test_a_tree_without_files_has_none_to_show(tmp_path: Path) -> None:
    text = run_lurge("look", str(tmp_path)).stdout
    assert "Largest" not in text
    assert "0 of 0 files" in text


def test_what_could_not_be_read_is_said(tmp_path: Path) -> None:
    """A directory below which paths are longer than any that the system takes."""
    descriptor, name = os.open(tmp_path, os.O_RDONLY), "long" * 60
    for _ in range(20):
        os.mkdir(name, dir_fd=descriptor)
        deeper = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    answer = asked(str(tmp_path))
    (problem,) = answer["unreadable"]
    assert problem["path"].startswith(f"{tmp_path}/{name}/{name}")
    assert problem["error"] == "File name too long"
    assert (answer["unreadable_entries"], answer["complete"]) == (1, True)
    text = run_lurge("look", str(tmp_path)).stdout
    assert "1 entry could not be read\n" in text
    assert text.endswith("File name too long\n")


@pytest.mark.parametrize("target", ["a file", "/proc/no/such"])
def test_an_index_that_cannot_be_saved_is_an_error(project: Path, target: str) -> None:
    make_file(project / "a file", 1, 0)
    done = run_lurge("look", str(project), "--save", str(project / target))
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_names_reach_the_terminal_only_as_escapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names of files, directories, the top, groups and users, also of what cannot be read."""
    top = tmp_path / HOSTILE[0]
    for number, name in enumerate(HOSTILE):
        make_file(top / name / name, number << 20, number)
        os.utime(top / name, (0, 0))
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if path == os.fsencode(top / HOSTILE[1]):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    take_statx_away(monkeypatch)
    monkeypatch.setattr(walk.os, "scandir", refuse)
    monkeypatch.setattr(grp, "getgrgid", lambda _: (HOSTILE[0], "x", 0, []))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: (HOSTILE[1], "x", 0, 0, "", "", ""))
    for arguments in ([], ["--json"]):
        done = CliRunner().invoke(application(), ["look", str(top), *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        shown = done.stdout + done.stderr + "".join(capfd.readouterr())
        assert {character for character in shown if not character.isprintable()} == {"\n"}
    text = CliRunner().invoke(application(), ["look", str(top)]).stdout
    for name in ("\\x1b[31mred", "\\x9b2J", "reverse\\u202etxt", "bell\\x07", "invalid\\xff"):
        assert len(re.findall(rf"  {re.escape(name)}/{re.escape(name)}$", text, re.MULTILINE)) == 2
    assert "new\\x0aline: Permission denied" in text
    assert re.search(r"^Groups\n.* \\x1b\[31mred$", text, re.MULTILINE)
    assert re.search(r"^People\n.* new\\x0aline$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that takes a while to walk."""
    large = tmp_path_factory.mktemp("large") / HOSTILE[0]
    for number in range(MANY // 1000):
        first = large / f"{number}" / "0"
        make_file(first, 100, 10 * YEAR)
        for name in range(1, 999):
            os.link(first, first.with_name(f"{name}"))
    return large


def test_progress_leaves_the_terminal_to_the_answer(large: Path) -> None:
    shown = on_a_terminal("look", str(large), columns=200)
    assert "\x1b" not in shown.replace(CLEAR_LINE, "")
    lines = [line for line in screen(shown) if " INFO " not in line]
    assert lines[0].startswith(str(large).replace("\x1b", "\\x1b") + "  ")
    assert any(re.fullmatch(rf" +[\d.]+ [KM]iB  100.0%  █+ +{MANY + 1:,}  .*total", line) for line in lines)


def walkers_of(process: subprocess.Popen[str], home: Path) -> list[int]:
    return [number for number in processes_of(str(home)) if number != process.pid]


def has_work(walker: int) -> bool:
    """True if a process has read something: its first unit."""
    try:
        return "rchar: 0\n" not in Path(f"/proc/{walker}/io").read_text()
    except OSError:
        return False


@contextmanager
def looking(*arguments: str, home: Path, interrupts: int = signal.SIG_DFL) -> Iterator[subprocess.Popen[str]]:
    """`lurge look`, whose walk has begun. home: for temporary files, and the mark of all its processes."""
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "lurge", "look", *arguments],
        env={**os.environ, MARK: str(home), "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts) and None,
    )
    try:
        ends = time.monotonic() + SECONDS_TO_END
        while not any(map(has_work, walkers_of(process, home))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.001)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_answers_with_what_is_known_so_far(large: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with looking(str(large), "--json", home=home) as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 130
    answer = json.loads(stdout)
    assert answer["complete"] is False
    assert 0 < answer["total"]["records"] < MANY
    assert (
        sum(child["records"] for child in answer["children"]) + answer["here"]["records"] == answer["total"]["records"]
    )
    assert "interrupt again" in stderr
    wait_for_none(str(home))
    assert list(home.iterdir()) == []


def test_an_incomplete_answer_says_so_first_and_is_not_saved(large: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with looking(str(large), "--save", str(kept), home=tmp_path / "home") as process:
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 130
    first, second, third, *_ = stdout.splitlines()
    assert re.fullmatch(r"INCOMPLETE: interrupted after [\d,]+ entr(y|ies); all figures lack the rest", first)
    assert second == f"The index was not saved in {kept}"
    assert third.startswith(str(large).replace("\x1b", "\\x1b"))
    assert list(kept.iterdir()) == []
    assert run_lurge("look", str(large / "0"), "--save", str(kept)).returncode == 0
    assert volumes(kept) == ["0"]
    assert open_tree(kept, "0").total()["files"] == 999


@pytest.mark.parametrize("interrupts", [1, 2])
def test_walkers_that_wait_for_ever_do_not_keep_an_interrupt_waiting(
    large: Path, tmp_path: Path, interrupts: int
) -> None:
    """Stopped processes stand for those that wait for a file system.

    A second interrupt ends without an answer, if that does not come before.
    """
    home = tmp_path / "home"
    with looking(str(large), home=home) as process:
        for walker in walkers_of(process, home):
            os.kill(walker, signal.SIGSTOP)
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        stdout, stderr = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 130
    assert stdout.startswith("INCOMPLETE") or (stdout == "" and interrupts == 2)
    assert "Traceback" not in stderr
    wait_for_none(str(home))
    assert list(home.iterdir()) == []


def test_a_command_that_ignores_interrupts_goes_on(large: Path, tmp_path: Path) -> None:
    with looking(str(large), "--json", home=tmp_path / "home", interrupts=signal.SIG_IGN) as process:
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode == 0
    assert json.loads(stdout)["complete"] is True


def test_the_pages_of_a_tree_are_served_until_an_interrupt(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="uvicorn is not installed (lurge[serve])")
    make_file(tmp_path / "tree" / "sub" / "one.bam", 5000, 0)
    command = [sys.executable, "-m", "lurge", "look", str(tmp_path / "tree"), "--web", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BROWSER": "true"}) as process:
        assert process.stdout
        target = next(line.split()[0] for line in process.stdout if line.startswith("http://"))
        page = urllib.request.urlopen(target, timeout=30).read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    assert "sub/" in page
    assert str(tmp_path / "tree") in page
