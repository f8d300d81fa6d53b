"""The walker of works beside a plain walk, and where the system refuses."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lurge.model.works import Count, CountRules, TreeKey
from lurge.source.works import Gathered, Walker, Work, note

NOBODY = 65534
RULES = CountRules(True, (b".jpg", b".\xc3\xa9"), b"archive", 0.3, "full", "web")
NAMES = st.sampled_from([
    b"a.jpg", b"B.JPG", b".jpg", b"jpg", b"Thumbs.db", b"._a.jpg", b".DS_Store", b"\xff\n.jpg", b"x.\xc3\xa9",
    b"..jpg", b"...",
])  # fmt: skip
FOLDERS = st.lists(st.sampled_from([b"archive", b"a", b"b", b"..."]), max_size=4).map(b"/".join)
TREES = st.lists(st.tuples(FOLDERS, NAMES, st.integers(0, 3), st.sampled_from([-5, 0, 10**9])), max_size=12)


def plain(path: bytes, rules: CountRules) -> Count:
    """The same by os.walk."""
    count = Count()
    for folder, folders, names in os.walk(path):
        below = os.path.relpath(folder, path).split(b"/")
        if folder == path and rules.archive in folders and not os.path.islink(os.path.join(path, rules.archive)):
            count.has_archive = True
        for name in names:
            file = os.path.join(folder, name)
            if os.path.islink(file) or not rules.is_counted(name):
                continue
            status = os.lstat(file)
            is_archived = below[0] == rules.archive and len(below) > 1
            count.add(int(rules.is_image(name)), 1, status.st_size, int(is_archived))
            count.see(status.st_mtime_ns // 10**9)
    return count


def fill(top: bytes, files: list[tuple[bytes, bytes, int, int]]) -> Iterator[bytes]:
    for folder, name, size, mtime in files:
        file = os.path.join(top, folder, name)
        try:
            os.makedirs(os.path.dirname(file), exist_ok=True)
            Path(os.fsdecode(file)).write_bytes(b"x" * size)
        except OSError:
            continue  # A directory has that name, or a file that of a directory.
        os.utime(file, (mtime, mtime))
        yield file


@settings(max_examples=100, deadline=None)
@given(TREES, TREES, st.booleans())
def test_counts_are_those_of_a_plain_walk(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[bytes, bytes, int, int]],
    second: list[tuple[bytes, bytes, int, int]],
    counts_images: bool,
) -> None:
    rules = replace(RULES, counts_images=counts_images)
    tops = [os.fsencode(tmp_path_factory.mktemp("work")) for _ in range(2)]
    for top, files in zip(tops, (first, second), strict=True):
        if list(fill(top, files)):
            os.symlink(b"archive", os.path.join(top, b"link"))
    walker = Walker(rules)
    expected = [plain(top, rules) for top in tops]
    assert walker.count([*tops, *tops[::-1]]) == [*expected, *expected[::-1]]
    without = Walker(replace(rules, has_sizes=False)).count(tops)
    assert without == [replace(count, bytes=0, newest=None) for count in expected]


def test_a_wide_and_deep_work_is_counted(tmp_path: Path) -> None:
    """More directories than there is room for at first, below long paths, in several listings."""
    deep = tmp_path / "/".join(["d" * 200] * 10)
    for number in range(3000):
        (deep / f"{'n' * 200}{number}").mkdir(parents=True)
    for number in range(0, 3000, 7):
        (deep / f"{'n' * 200}{number}" / "1.jpg").write_bytes(b"12")
    path = os.fsencode(tmp_path)
    (count,) = Walker(RULES).count([path])
    assert count == plain(path, RULES)
    assert isinstance(count, Count)
    assert count.images == 429


def test_what_cannot_be_read_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    works = [tmp_path / name for name in ("good", "bad", "gone", "file", "long", "last")]
    for work in works:
        if work.name == "file":
            work.write_text("")
        elif work.name != "gone":
            work.mkdir()
            (work / "1.jpg").write_text("12")
    below = os.open(works[4], os.O_RDONLY)
    for _ in range(30):
        os.mkdir("x" * 200, dir_fd=below)
        inside = os.open("x" * 200, os.O_RDONLY, dir_fd=below)
        os.close(below)
        below = inside
    os.close(below)
    looped = tmp_path / "loop"
    looped.symlink_to("good")
    paths = [os.fsencode(work) for work in [*works, looped]]
    good, bad, gone, file, long, last, link = Walker(RULES).count(paths)
    assert good == bad == last == plain(paths[0], RULES)
    assert gone is None
    assert file == f"{works[3]}: Not a directory"
    assert link == f"{looped}: Not a directory"
    assert isinstance(long, str)
    assert long.startswith(f"{works[4]}/xxx")
    assert long.endswith(": File name too long")


def test_a_directory_without_permission_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "w"
        (work / "closed").mkdir(parents=True)
        Path(folder).chmod(0o755)
        (work / "closed").chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)  # Root reads everything.
        try:
            counts = Walker(RULES).count([os.fsencode(work)])
        finally:
            os.seteuid(user)
        assert counts == [f"{work}/closed: Permission denied"]


def test_a_work_that_is_deleted_meanwhile_is_counted_or_gone(tmp_path: Path) -> None:
    for number in range(5):
        work = tmp_path / str(number)
        for folder in range(30):
            (work / str(folder)).mkdir(parents=True)
            for file in range(30):
                (work / str(folder) / f"{file}.jpg").touch()
        deleting = threading.Thread(target=shutil.rmtree, args=(work,))
        deleting.start()
        counts = [Walker(RULES).count([os.fsencode(work)])[0] for _ in range(20)]
        deleting.join()
        assert all(count is None or (isinstance(count, Count) and count.images <= 900) for count in counts)
        assert Walker(RULES).count([os.fsencode(work)]) == [None]


@pytest.mark.parametrize(("share", "archived"), [(0.28, 28), (0.07, 7), (0.55, 55), (0.3, 30)])
def test_a_share_is_as_it_is_written(share: float, archived: int) -> None:
    rules = replace(RULES, share=share)
    assert rules.publish_state(100, archived, True) == "full"
    assert rules.publish_state(100, archived - 1, True) == "web"


def test_a_size_beyond_all_databases_is_the_largest(tmp_path: Path) -> None:
    """Two sparse files are enough for it."""
    day = date(2024, 1, 1)
    result = Gathered(TreeKey("h", "scanned", str(tmp_path)), day)
    note(result, Work(b"/s/P/W", "P", "W", None), Count(2, 2, 2**64), RULES, published=False)
    assert [(one.images, one.bytes) for one in result.observations] == [(2, 2**63 - 1)]
