"""Every command of the app: its help, its example, and the whole way from a tree to a report."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import lurge
from lurge.cli.main import application
from tests.site import run_lurge


def commands(command: Any = None, name: str = "") -> dict[str, Any]:
    """Every command and group of the app, by its name; `lurge` itself has the empty name."""
    command = command or get_command(application())
    by_name = {name: command}
    for word, below in getattr(command, "commands", {}).items():
        by_name |= commands(below, f"{name} {word}".strip())
    return by_name


COMMANDS = commands()
GROUPS = [name for name, command in COMMANDS.items() if hasattr(command, "commands")]


def test_the_version_is_shown() -> None:
    assert run_lurge("--version").stdout == f"lurge {lurge.__version__}\n"
    script = Path(sys.executable).with_name("lurge")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"lurge {lurge.__version__}\n"


def test_a_shell_gets_its_completion() -> None:
    # A test has no shell as its parent process.
    environment = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "lurge" in run_lurge("--show-completion", "bash", env=environment).stdout


@cache
def help_of(name: str) -> str:
    return run_lurge(*name.split(), "--help", env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).stdout


def example(command: str) -> list[str]:
    """The arguments of the example that ends a command's help."""
    shown = help_of(command)
    return shlex.split(shown.rpartition("Example: lurge ")[2])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_in_an_example_of_the_command(name: str) -> None:
    epilog = str(COMMANDS[name].epilog)
    assert epilog.startswith(f"Example: lurge {name}".strip())
    assert len(epilog) <= 76


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_with_whole_sentences_and_types_as_words(name: str) -> None:
    shown = help_of(name)
    assert "..." not in shown.replace("COMMAND [ARGS]...", "").replace("}...", "").replace("]...", "")
    assert not re.search(r"<\w|%Y", shown)
    assert all(len(line) <= 80 for line in shown.split("\n"))
    assert COMMANDS[name].help.strip().split("\n")[0].endswith(".")


@pytest.mark.parametrize("name", GROUPS)
def test_help_of_a_group_lists_its_commands(name: str) -> None:
    listed = re.findall(r"^ {2,}([a-z0-9-]+) ", help_of(name), re.MULTILINE)
    assert {*COMMANDS[name].commands} <= {*listed}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["ticket", "list", "--most", "1"], "--limit"),
        (["ticket", "monitor", "--queue-again"], "--requeue"),
        (["backfill", "--most", "1"], "--limit"),
        (["scan", "--blocks", ".", "-o", "there"], "--disk-usage"),
    ],
)
def test_old_names_of_options_are_still_taken(old: list[str], new: str, tmp_path: Path) -> None:
    from tests.site import Site

    site = Site(tmp_path)
    configured = [] if "scan" in old else ["-c", str(site.config)]
    arguments = [word.replace("there", str(tmp_path / "there")).replace(".", str(site.dumps)) for word in old]
    done = run_lurge(*arguments, *configured)
    assert done.returncode == 0, done.stderr
    shown = run_lurge(*[word for word in old[:2] if word.isalpha()], "--help").stdout
    assert new in shown
    assert not any(word in shown for word in old if word.startswith("--"))


def test_examples_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_lurge(*example("config init")).returncode == 0
    arguments = example("synth")
    done = run_lurge(*[("1000" if word == "1000000" else word) for word in arguments], "--dates", "2")
    assert done.returncode == 0, done.stderr
    (tmp_path / "lurge.toml").write_text((tmp_path / "world" / "lurge.toml").read_text())
    for name in ("dumps", "groups.tsv", "users.tsv", "quotas"):
        (tmp_path / name).symlink_to(tmp_path / "world" / name)
    done = run_lurge(*example("report"))
    assert done.returncode == 0, done.stderr
    assert "adds up" in done.stdout
    run_elsewhere = ["", "report", "scan", "basedirs", "synth", "diff", "config init", "serve"]
    run_elsewhere += [name for name in COMMANDS if name.startswith(("works ", "lake ", "ledger "))]
    assert COMMANDS.keys() >= {*run_elsewhere}
    for command in [name for name in COMMANDS if name not in (*run_elsewhere, *GROUPS)]:
        done = run_lurge(*example(command))
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    before, *_, after = (use["record_date"] for use in json.loads(run_lurge("show", "history", "--json").stdout))
    done = run_lurge(*[{"2024-01-01": before, "2024-01-31": after}.get(word, word) for word in example("diff")])
    assert done.returncode == 0, done.stderr
    for tree in ("usr", "home"):
        (tmp_path / tree).mkdir()
    done = run_lurge(*[f"{tmp_path}{word}" if word.startswith("/") else word for word in example("scan")])
    assert done.returncode == 0, done.stderr
    dump = next((tmp_path / "dumps").glob("*_scratch101.*.stats.gz"))
    done = run_lurge(*[str(dump) if word.endswith(".gz") else word for word in example("basedirs")])
    assert done.returncode == 0, done.stderr


def test_from_a_tree_to_a_report(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("a/x.bam", "b/c/y.cram", "b/z"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    scanned = json.loads(run_lurge("scan", str(tree), "-o", str(tmp_path / "dumps"), "--json").stdout)
    assert scanned[0]["entries"] == 7
    depth = len(tree.parts)
    done = run_lurge("basedirs", scanned[0]["dump"], "--depth", str(depth))
    assert done.returncode == 0, done.stderr
    (basedirs,) = (tmp_path / "dumps").glob("*.basedirs")
    directories = {line.split("\t")[1] for line in basedirs.read_text().splitlines()}
    assert directories == {f"{tree}/a", f"{tree}/b"}
    (tmp_path / "lurge.toml").write_text(
        f'[dumps]\ndirectory = "dumps"\nvolumes = [{{ name = "tree", path = "{tree}" }}]\n'
    )
    done = run_lurge("report", "--config", str(tmp_path / "lurge.toml"))
    assert done.returncode == 0, done.stderr
    table = [line.split()[:2] for line in done.stdout.split("  adds up:\n")[1].split("\n")[:6]]
    assert table[1:] == [["+", "1"], ["+", "0"], ["=", "7"], ["+", "0"], ["=", "7"]]
    assert table[0][0] == "6"


def test_the_depth_of_base_directories_may_depend_on_the_prefix(tmp_path: Path) -> None:
    from tests.site import Entry, Site

    site = Site(tmp_path)
    site.configure('[basedirs]\ndepth = 1\n[basedirs.prefixes]\n"/l/deep" = 3\n"/l/deep/shallow" = 2\n')
    dump = site.dump(
        Entry("/l/x/y", gid=1),
        Entry("/l/deep/a/b/c", gid=2),
        Entry("/l/deep/a/b", gid=3),
        Entry("/l/deep/shallow/q/r/s", gid=4),
        Entry("/l/deeper/z", gid=5),
        Entry("/l/x/gone", gid=6, nlink=0),
        Entry("/l/x/d", gid=7, type="d"),
        Entry("/top", gid=8),
    )
    done = run_lurge("basedirs", str(dump), "--config", str(site.config))
    assert done.returncode == 0, done.stderr
    assert (site.dumps / "20240131.basedirs").read_text().splitlines() == [
        "1\t/l",
        "2\t/l/deep/a",
        "3\t/l/deep/a",
        "4\t/l/deep",
        "5\t/l",
    ]
    done = run_lurge("basedirs", str(dump), "--depth", "2", "--output", str(tmp_path / "other.basedirs"))
    assert "1\t/l/x" in (tmp_path / "other.basedirs").read_text()


def test_progress_in_a_log_names_rank_and_role(tmp_path: Path) -> None:
    run_lurge("synth", "-o", str(tmp_path), "--records", "1000", "--quiet")
    done = run_lurge("report", "--config", str(tmp_path / "lurge.toml"), "--verbose")
    assert re.search(r"INFO +rank 1 controller: reading ", done.stderr)
    assert re.search(r"INFO +rank 0 coordinator: scratch101: stored", done.stderr)
    again = run_lurge("report", "--config", str(tmp_path / "lurge.toml"), "--force", "--quiet")
    assert again.stdout == again.stderr == ""


@pytest.mark.parametrize("command", ["report", "split", "backfill", "plan"])
def test_commands_that_read_dumps_do_nothing_without_them(tmp_path: Path, command: str) -> None:
    (tmp_path / "lurge.toml").write_text("[reports]\n")
    done = run_lurge(command, "--config", str(tmp_path / "lurge.toml"))
    assert done.returncode == 2
    assert "dumps.directory and dumps.volumes" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["lurge.toml"]


def test_other_commands_need_no_dumps(tmp_path: Path) -> None:
    (tmp_path / "lurge.toml").write_text('[batch]\ngroup = "g"\n')
    config = ("--config", str(tmp_path / "lurge.toml"))
    assert run_lurge("db", "upgrade", *config).returncode == 0
    assert run_lurge("ticket", "list", *config).returncode == 0
    findings = json.loads(run_lurge("doctor", "--json", *config).stdout)
    assert [finding["verdict"] for finding in findings if finding["topic"] == "dumps"] == ["warning"]
