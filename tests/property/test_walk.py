"""Walking by the compiled kernel and in plain Python: the same lines, problems and counts for any tree."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lurge.kernels.walk_lines import MOST_OPEN
from lurge.source import walk
from lurge.source.compiled_walk import Walker
from lurge.source.walk import PlainWalker, ScanOptions, UnitResult, WorkUnit
from tests.walking import take_statx_away

PLAIN = st.text("abz.-! 0/", min_size=1, max_size=6).map(lambda text: text.replace("/", "_").encode())
HOSTILE = st.binary(min_size=1, max_size=60).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"\x01"))
UTF8 = st.text(min_size=1, max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass").replace(b"/", b":"))
NAMES = st.one_of(PLAIN, HOSTILE, UTF8.map(lambda name: name.replace(b"\0", b"\n")))
NAME = NAMES.filter(lambda name: name not in (b".", b".."))
KINDS = st.sampled_from(["file", "link", "fifo", "long ago"])
TREES = st.recursive(KINDS, lambda below: st.dictionaries(NAME, below, max_size=6), max_leaves=25)
Tree = dict[bytes, object]


def make(place: bytes, tree: object) -> None:
    """Make a tree on disk."""
    if isinstance(tree, dict):
        os.mkdir(place)
        for name, below in tree.items():
            make(place + b"/" + name, below)
    elif tree == "link":
        os.symlink(b"nowhere", place)
    elif tree == "fifo":
        os.mkfifo(place)
    else:
        with open(place, "wb") as file:
            file.write(b"x" * (len(place) * 100))
        if tree == "long ago":
            os.utime(place, (-1, -(2**33)))


@dataclass
class Total:
    """What several units found. units: their number."""

    text: bytes = b""
    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    units: int = 0

    def __post_init__(self) -> None:
        self.problems: list[str] = []


def walk_all(walker: Walker | type[PlainWalker], options: ScanOptions, unit: WorkUnit) -> Total:
    """Walk a unit, and all that it leaves, in the order of the text."""
    total = Total()

    def add(one: WorkUnit) -> Iterator[bytes]:
        result = walker.walk(one) if isinstance(walker, Walker) else walker(options).walk(one)
        count(total, result)
        for piece in result.pieces:
            if isinstance(piece, WorkUnit):
                yield from add(piece)
            else:
                yield piece

    total.text = b"".join(add(unit))
    return total


def count(total: Total, result: UnitResult) -> None:
    total.units += 1
    total.entries += result.entries
    total.vanished += result.vanished
    total.unreadable += result.unreadable
    total.problems += result.problems


def both(unit: WorkUnit, options: ScanOptions) -> Total:
    """What both walkers find, which must be the same."""
    walk_all(PlainWalker, options, unit)  # listing a directory may change its time of access
    plain = walk_all(PlainWalker, options, unit)
    compiled = walk_all(Walker(options), options, unit)
    assert compiled.text == plain.text
    assert (compiled.entries, compiled.vanished, compiled.unreadable) == (
        plain.entries, plain.vanished, plain.unreadable,
    )  # fmt: skip
    assert compiled.problems == plain.problems
    return compiled


@given(tree=st.dictionaries(NAME, TREES, max_size=8), blocks=st.booleans(), in_units=st.booleans())
@settings(max_examples=100, deadline=None)
def test_both_walkers_write_the_same_lines(tree: Tree, blocks: bool, in_units: bool) -> None:
    folder = tempfile.mkdtemp(prefix="lurge-walk-")
    top = os.fsencode(folder) + b"/top"
    try:
        make(top, tree)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(walk, "UNIT_SECONDS", -1.0 if in_units else 1000.0)
            patch.setattr(walk, "MIN_ENTRIES_A_UNIT", 2)
            found = both(WorkUnit(top), ScanOptions(os.stat(top).st_dev, blocks))
            one_unit = found.units == 1
            assert found.entries == found.text.count(b"\n") == sum(1 for _ in entries_of(top))
            assert found.problems == []
            assert one_unit or in_units
    finally:
        shutil.rmtree(folder)


def entries_of(top: bytes) -> Iterator[bytes]:
    for folder, directories, files in os.walk(top):
        yield from (os.path.join(folder, name) for name in (*directories, *files))


def test_many_entries_of_one_directory_are_sorted_and_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5000):
        name = tmp_path / f"{number * 7919 % 5000:x}{'.' * (number % 3)}{'ä' * (number % 5 == 0)}"
        name.mkdir() if number % 9 == 0 else name.touch()
    whole = both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, False))
    monkeypatch.setattr(walk, "UNIT_SECONDS", -1.0)
    divided = both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, False))
    assert whole.entries == divided.entries == 5000
    assert whole.text == divided.text
    assert divided.units > 300


def test_a_tree_deeper_than_the_open_directories_and_than_a_path(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    name = b"d" * 14
    for _ in range(300):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(os.open(b"a file", os.O_CREAT, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    found = both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, False))
    assert found.entries > 2 * MOST_OPEN
    assert 0 < found.unreadable == len(found.problems) < 3
    assert all(problem.endswith(": File name too long") for problem in found.problems)
    assert not open_below(tmp_path)


def open_below(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return [target for link in links if link.is_symlink() and (target := os.readlink(link)).startswith(str(folder))]


def test_without_descriptors_directories_are_found_by_their_paths(tmp_path: Path) -> None:
    below = tmp_path
    for _ in range(60):
        below = below / "d"
        below.mkdir()
        (below / "file").touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    options = ScanOptions(None, False)
    walker, plain = Walker(options), walk_all(PlainWalker, options, WorkUnit(os.fsencode(tmp_path)))
    used = {int(name) for name in os.listdir("/proc/self/fd")}
    free = [number for number in range(len(used) + 20) if number not in used]
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[9], hard))
    try:
        found = walk_all(walker, options, WorkUnit(os.fsencode(tmp_path)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.entries, found.unreadable) == (plain.entries, 0) == (120, 0)
    assert not open_below(tmp_path)


def test_time_is_that_after_the_listing_of_the_first_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a large directory would be divided into the smallest units."""
    for number in range(20_000):
        (tmp_path / f"{number:06}").touch()
    monkeypatch.setattr(walk, "UNIT_SECONDS", 0.01)
    assert 1 < both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, False)).units < 200


def test_a_directory_that_was_removed_after_it_was_opened_is_empty(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    here = os.open(tmp_path / "d", os.O_RDONLY)
    (tmp_path / "d").rmdir()
    found = both(WorkUnit(b"/proc/self/fd/%d" % here), ScanOptions(None, False))
    os.close(here)
    assert (found.entries, found.vanished, found.unreadable) == (0, 0, 0)


def test_long_text_is_taken_in_parts(tmp_path: Path) -> None:
    """The names of some directories are as long as they can be, and each of their bytes is quoted."""
    below = tmp_path
    for _ in range(3):
        below = below / ("\x01" * 250)
        below.mkdir()
    for number in range(2000):
        (below / (f"{number:05}" + "\x02" * 200)).touch()
    assert both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, True)).entries == 2003


def test_other_devices_are_listed_but_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c").touch()
    device = os.stat(tmp_path).st_dev
    assert both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(device, False)).entries == 3
    assert both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(device + 1, False)).entries == 2


@pytest.mark.parametrize("names", [b"a\0gone\0not a directory/\0", b""])
def test_entries_that_are_not_what_they_were(tmp_path: Path, names: bytes) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/below").touch()
    (tmp_path / "not a directory").touch()
    found = both(WorkUnit(os.fsencode(tmp_path), names), ScanOptions(None, False))
    assert (found.entries, found.vanished) == ((2, 1) if names else (0, 0))


@pytest.mark.parametrize("names", [b"a\0b/\0", None])
def test_a_directory_that_is_gone(tmp_path: Path, names: bytes | None) -> None:
    found = both(WorkUnit(os.fsencode(tmp_path / "gone"), names), ScanOptions(None, False))
    assert (found.entries, found.vanished) == (0, 2 if names else 1)


def test_a_listed_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = both(WorkUnit(os.fsencode(tmp_path / "file")), ScanOptions(None, False))
    assert found.problems == [f"{tmp_path}/file: Not a directory"]


def test_a_system_without_statx_is_walked_in_plain_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_statx_away(monkeypatch)
    (tmp_path / "a").touch()
    found = both(WorkUnit(os.fsencode(tmp_path)), ScanOptions(None, False))
    assert found.entries == 1
