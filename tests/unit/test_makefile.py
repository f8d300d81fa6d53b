"""The set-up that `make` does: what each target installs, and what happens where installing fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import lurge
from tests.services import need

CLONE = Path(lurge.__file__).parent.parent


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    need(None if shutil.which("make") else "make is not installed (Debian: make)")
    known = {name: value for name, value in os.environ.items() if name not in ("CI", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *words], cwd=CLONE, env=known | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("target", "extras"),
    [
        ("run", {"mpi"}),
        ("serve", {"mpi", "serve"}),
        ("lint", {"mpi", "serve", "lint", "lake", "ledger"}),
        ("setup", {"mpi", "serve", "lint", "ldap", "s3", "lake", "ledger", "test"}),
    ],
)
def test_a_target_installs_what_it_needs(tmp_path: Path, target: str, extras: set[str]) -> None:
    done = make("--dry-run", target, f"VENV={tmp_path}/venv")
    assert done.returncode == 0, done.stderr
    assert "Setting up, about a minute." in done.stdout
    assert set(",".join(re.findall(r"'\.\[(.*?)\]'", done.stdout)).split(",")) == extras


def test_what_cannot_be_installed_is_skipped_but_not_in_ci(tmp_path: Path) -> None:
    """An apt-get and a pip that fail, the one for everything and the other for mysqlclient."""
    need(None if os.getuid() == 0 else "only root installs programs")
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in (("apt-get", "exit 100"), ("pip", 'case "$*" in *mysql*) exit 1 ;; esac')):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for stamp in (".run", ".serve", ".lint", ".done"):
        (tmp_path / "venv" / stamp).touch()
    words = ("services", f"VENV={tmp_path}/venv", "PROGRAMS=lurge-no-such-program")
    path = f"{programs}:{os.environ['PATH']}"
    assert make(*words, PATH=path, CI="true").returncode != 0
    done = make(*words, PATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("tests of what is missing are skipped") == 2
