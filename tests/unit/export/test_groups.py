"""Publishing groups: the index's numbers, odd names, a second run, a killed one, a full disk."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.errors import OutputError, SplitError
from lurge.export import groups
from lurge.export.groups import IndexRow, SplitVolume, file_stem, index_row, publish, sole_split
from lurge.model.split import GroupLines

DAY = date(2024, 1, 31)


@pytest.mark.parametrize(
    ("lines", "directories", "row"),
    [
        (1000, 8, IndexRow("g", 100, 66 * 12000)),
        (1000, 9, IndexRow("g", 100, 68 * 10000)),
        (1000, 15, IndexRow("g", 100, 80 * 10000)),
        (1000, 20, IndexRow("g", 100, 90 * 9000)),
        (1000, 40, IndexRow("g", 100, 130 * 8500)),
        (1000, 41, IndexRow("g", 100, 132 * 8000)),
        (1, 1, IndexRow("g", 100, 52 * 8000)),
        (10999, 0, IndexRow("g", 100, 50 * 12000)),
        (11000, 0, IndexRow("g", 101, 50 * 12000)),
        (3 * 10**9, 0, IndexRow("g", 100 + 272727, 50 * 12000)),
    ],
)
def test_index(lines: int, directories: int, row: IndexRow) -> None:
    assert index_row("g", lines, directories) == row


def parts(folder: Path, **by_gid: bytes) -> SplitVolume:
    folder.mkdir(parents=True)
    found = []
    for name, text in by_gid.items():
        gid = int(name[1:])
        (folder / f"{gid}.gz").write_bytes(gzip.compress(text))
        found.append(GroupLines(gid, text.count(b"\n"), 0))
    return SplitVolume(folder, found)


def read(folder: Path) -> dict[str, str]:
    return {
        path.name: (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        for path in folder.iterdir()
    }


NAMES = {1: "team.1", 2: "a/b c\té", 3: ".hidden", -1: "team113-116"}


def test_all_volumes_together(tmp_path: Path) -> None:
    with sole_split(tmp_path / "groups") as folder:
        first = parts(folder / "0", g1=b"1\n2\n", g2=b"x\n")
        second = parts(folder / "1", g1=b"3\n", g3=b"y\n")
        (second.folder / "-1.gz").write_bytes(gzip.compress(b"p\n"))
        second = SplitVolume(second.folder, [GroupLines(-1, 1, 1), *second.groups])
        target = publish(tmp_path / "groups", DAY, [first, second], NAMES, {5: "uno", 7: "7:x"})
    assert target == tmp_path / "groups" / "20240131"
    assert read(target) == {
        "team.1.dat.gz": "1\n2\n3\n",
        "a%2Fb c%09é.dat.gz": "x\n",
        "%2Ehidden.dat.gz": "y\n",
        "team113-116.dat.gz": "p\n",
        "index.txt": "Group\tBuild Time (sec)\tMemory Use(bytes)\n"
        "%2Ehidden\t100\t600000\na%2Fb c%09é\t100\t600000\nteam.1\t100\t600000\nteam113-116\t100\t416000\n",
        "groupfile": "team113-116:x:-1:\nteam.1:x:1:\na/b c\té:x:2:\n.hidden:x:3:\n",
        "passwdfile": "uno:x:5:65534:::\n7_x:x:7:65534:::\n",
    }
    assert sorted(path.name for path in (tmp_path / "groups").iterdir()) == [".lock", "20240131"]


@given(st.lists(st.text(max_size=5) | st.text(max_size=5).map(lambda text: "é" * 200 + text), unique=True))
def test_no_two_groups_share_a_file(names: list[str]) -> None:
    stems = [file_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all(len(f"{stem}.dat.gz".encode("utf-8", "surrogatepass")) <= 255 for stem in stems)
    assert not any("/" in stem or "\t" in stem or "\n" in stem or stem.startswith(".") for stem in stems)


def publish_one(directory: Path, text: bytes) -> Path:
    with sole_split(directory) as folder:
        return publish(directory, DAY, [parts(folder / "0", g1=text)], NAMES, {})


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    publish_one(tmp_path, b"old\n")
    (tmp_path / "20240131" / "gone.dat.gz").touch()
    assert read(publish_one(tmp_path, b"new\n"))["team.1.dat.gz"] == "new\n"
    assert not (tmp_path / "20240131" / "gone.dat.gz").exists()
    with sole_split(tmp_path), pytest.raises(SplitError, match="another split"):
        publish_one(tmp_path, b"x\n")


def test_a_killed_run_is_tidied(tmp_path: Path) -> None:
    """Killed after the old folder was moved away, or later."""
    publish_one(tmp_path, b"old\n")
    (tmp_path / "20240131").rename(tmp_path / ".20240131.replaced")
    (tmp_path / ".20240131.unfinished").mkdir()
    with sole_split(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "20240131"]
    publish_one(tmp_path, b"new\n").parent.joinpath(".20240131.replaced").mkdir()
    with sole_split(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "20240131"]
    assert read(tmp_path / "20240131")["team.1.dat.gz"] == "new\n"


def test_a_failure_leaves_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_one(tmp_path, b"old\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(groups.shutil, "copyfileobj", full)
    with pytest.raises(OutputError, match="No space left"):
        publish_one(tmp_path, b"new\n")
    assert read(tmp_path / "20240131")["team.1.dat.gz"] == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "20240131"]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"), sole_split(tmp_path / "file" / "groups"):
        pass
