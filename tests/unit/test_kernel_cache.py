"""Compiled code is kept where nobody else can put any, and what is damaged there is compiled again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lurge.aggregate.warm import PARTS
from lurge.atomic import unfinished_name
from lurge.kernels.cache import KernelCache, damaged_files
from lurge.kernels.newlines import count_newlines
from lurge.kernels.places import CACHE, safe_folder
from tests.services import need
from tests.site import Entry, Site, run_lurge

SHOW = "import lurge.kernels.places as c; print(c.CACHE); print(c.IS_KEPT)"


def chosen(program: str = SHOW, **environment: str) -> list[str]:
    """What a new process says."""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1]


@pytest.fixture
def copied(site: Site, tmp_path: Path) -> Path:
    """Compiled kernels of this installation, in a place of their own, and a site that was reported on."""
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5))
    site.run()
    folder = tmp_path / "own" / CACHE.name
    shutil.copytree(CACHE, folder)
    (tmp_path / "own").chmod(0o700)
    folder.chmod(0o700)
    return folder


def test_a_place_of_ones_own_is_used(tmp_path: Path) -> None:
    found, kept = chosen(NUMBA_CACHE_DIR=str(tmp_path / "new" / "place"))
    assert Path(found).parent == tmp_path / "new" / "place"
    assert kept == "True"
    assert Path(found).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_place_that_others_may_write_to_is_used_only_if_they_cannot_change_ours(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(mode)
    found, _ = chosen(NUMBA_CACHE_DIR=str(place))
    assert (Path(found).parent == place) is bool(mode & 0o1000)
    planted = place / CACHE.name
    planted.mkdir(exist_ok=True)
    planted.chmod(0o777)
    assert not safe_folder(planted)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "place").mkdir(mode=0o700)
    (tmp_path / "place" / CACHE.name).symlink_to(tmp_path / "theirs")
    assert not safe_folder(tmp_path / "place" / CACHE.name)
    found, _ = chosen(NUMBA_CACHE_DIR=str(tmp_path / "place"))
    assert not found.startswith(str(tmp_path))


def test_a_link_of_another_user_on_the_way_is_not_followed(tmp_path: Path) -> None:
    need(None if os.getuid() == 0 else "only root can give a link away")
    (tmp_path / "own" / CACHE.name).mkdir(parents=True, mode=0o700)
    (tmp_path / "own").chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    assert safe_folder(tmp_path / "link" / CACHE.name) == tmp_path / "own" / CACHE.name
    os.chown(tmp_path / "link", 65534, 65534, follow_symlinks=False)
    assert not safe_folder(tmp_path / "link" / CACHE.name)


def test_a_folder_of_another_user_is_not_used(tmp_path: Path) -> None:
    need(None if os.getuid() == 0 else "only root can give a folder away")
    planted = tmp_path / CACHE.name
    planted.mkdir(mode=0o755)
    os.chown(planted, 65534, 65534)
    assert not safe_folder(planted)
    os.chown(tmp_path, 65534, 65534)
    assert not safe_folder(tmp_path / "own" / CACHE.name)


def test_without_a_safe_place_there_is_a_private_one_until_the_end(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, lurge\n"
        "import lurge.errors\n"
        "real = pathlib.Path.lstat\n"
        "def lstat(self):\n"
        "    found = list(real(self))\n"
        "    found[0] |= 0o022\n"
        "    import os; return os.stat_result(found)\n"
        "pathlib.Path.lstat = lstat\n"
        "import lurge.kernels.places as c\n"
        "print(c.CACHE, c.CACHE.parent.is_dir(), c.IS_KEPT)\n"
    )
    (tmp_path / "tmp").mkdir()
    (said,) = chosen(program, TMPDIR=str(tmp_path / "tmp"))
    folder, there, kept = said.split(" ")
    assert Path(folder).parent.parent == tmp_path / "tmp"
    assert (there, kept) == ("True", "False")
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == [f"lurge-{os.getuid()}"]


UNSAFE = """
import sys
import time
import lurge.errors
import lurge.kernels.places as c
c.cache_places = lambda: iter(())
c.TEMPORARY = tuple(sys.argv[1:])
try:
    print(c.find_cache())
except lurge.errors.OutputError as error:
    print(error.message)
"""


def private(tmp_path: Path, *others: Path) -> str:
    """The private folder if $TMPDIR is one that everybody may write to, or what is said without one."""
    shared = tmp_path / "everybody"
    shared.mkdir(exist_ok=True)
    shared.chmod(0o777)
    command = [sys.executable, "-c", UNSAFE, *map(str, others)]
    done = subprocess.run(
        command, env={**os.environ, "TMPDIR": str(shared)}, capture_output=True, text=True, check=True
    )
    assert list(shared.iterdir()) == []
    return done.stdout.strip()


def test_a_private_place_is_not_where_others_can_exchange_it(tmp_path: Path) -> None:
    other = tmp_path / "sticky"
    other.mkdir()
    other.chmod(0o1777)
    assert private(tmp_path, other).startswith(str(other))
    assert "others may exchange" in private(tmp_path)
    assert "others may exchange" in private(tmp_path, tmp_path / "missing")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "zeros": b"\0" * len(content)}[how])


@pytest.mark.parametrize(("suffix", "how"), [(".nbi", "empty"), (".nbi", "zeros"), (".nbc", "cut"), (".nbc", "empty")])
def test_a_damaged_kernel_is_compiled_again(copied: Path, site: Site, how: str, suffix: str) -> None:
    """A small kernel, because compiling all of them takes long."""
    damaged = [path for path in copied.rglob(f"newlines.count_newlines*{suffix}") if path.stat().st_size]
    assert damaged
    for path in damaged:
        damage(path, how)
    environment = {"NUMBA_CACHE_DIR": str(copied)}
    doctor = run_lurge("doctor", "--config", str(site.config), env=environment)
    assert "files of compiled kernels are damaged" in doctor.stdout
    done = site.run("--force", env=environment)
    assert "compiling it again" in done.stderr
    assert site.rows("select used from lustre_usage") == [(5,)]
    assert "are damaged" not in run_lurge("doctor", "--config", str(site.config), env=environment).stdout
    assert "compiling" not in site.run("--force", env=environment).stderr


def test_what_is_kept_here_is_whole() -> None:
    assert damaged_files() == []


def test_what_a_killed_compilation_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / unfinished_name("kernel.nbc")
    left.touch()
    now = time.time
    monkeypatch.setattr("lurge.atomic.time.time", lambda: now() + 3600)
    monkeypatch.setattr("lurge.kernels.cache.FunctionCache.save_overload", lambda *_: None)
    cache = KernelCache(count_newlines.py_func)
    monkeypatch.setattr(cache, "_cache_path", str(tmp_path))
    cache.save_overload(None, None)
    assert not left.exists()


@pytest.mark.parametrize("part", PARTS)
def test_compiling_a_part_compiles_each_of_its_kernels(part: str) -> None:
    """Else every run would look for compiled code that nothing has made, and compile again."""
    missing = f"PARTS[{part!r}].compile(); print([k.__name__ for k in PARTS[{part!r}].kernels if not k.signatures])"
    command = [sys.executable, "-c", f"from lurge.aggregate.warm import PARTS; {missing}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
