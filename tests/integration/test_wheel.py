"""The wheel of this version holds what a site needs that has no clone of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lurge
from tests.services import need
from tests.site import Entry, Site, run_lurge

CLONE = Path(lurge.__file__).parent.parent
SOURCES = ("lurge", "docs", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


def call(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which the wheel is installed, and everything else is as it is here."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (CLONE / name).is_dir() else shutil.copy
        copy(CLONE / name, folder / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", folder, folder], capture_output=True, text=True, check=False
    )
    need(None if done.returncode == 0 else f"no wheel can be built here: {done.stderr[-500:]}")
    environment = folder / "environment"
    call(sys.executable, "-m", "venv", environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("-packages")))
    (wheel,) = folder.glob("*.whl")
    call(environment / "bin" / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    return environment / "bin"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.*")}


def test_an_installation_has_scripts_and_documents(installed: Path, tmp_path: Path) -> None:
    outside = {"cwd": tmp_path, "env": {"PATH": "/usr/bin:/bin"}}
    call(installed / "lurge", "scripts", "--install", "copies", **outside)
    assert names(tmp_path / "copies") == names(CLONE / "lurge" / "scripts")
    assert names(tmp_path / "copies" / "docs") == {path.name for path in (CLONE / "docs").glob("*.md")}
    assert all(os.access(path, os.X_OK) for path in (tmp_path / "copies").glob("*.sh"))
    assert str(installed.parent) in call(installed / "lurge", "scripts", **outside)


def test_the_copies_run_a_job(installed: Path, site: Site, tmp_path: Path) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5))
    env = {"PATH": "/usr/bin:/bin", "LURGE": str(installed / "lurge"), "LURGE_CONFIG": str(site.config)}
    env |= {"LURGE_SUBMIT": "copies/local_submit.sh", "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    call(installed / "lurge", "scripts", "--install", "copies", cwd=tmp_path, env=env)
    call("copies/cron.sh", cwd=tmp_path, env=env)
    assert site.rows("select used from lustre_usage") == [(5,)]


def test_what_a_site_edited_is_not_replaced(tmp_path: Path) -> None:
    assert run_lurge("scripts", "--install", str(tmp_path)).returncode == 0
    (tmp_path / "cron.sh").write_text("ours\n")
    done = run_lurge("scripts", "--install", str(tmp_path))
    assert done.returncode == 2
    assert "cron.sh exists and differs" in done.stderr
    assert (tmp_path / "cron.sh").read_text() == "ours\n"
    assert run_lurge("scripts", "--install", str(tmp_path), "--force").returncode == 0
    assert "LURGE_SUBMIT" in (tmp_path / "cron.sh").read_text()
    assert run_lurge("scripts", "--install", str(tmp_path / "cron.sh")).returncode == 1
