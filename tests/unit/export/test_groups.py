"""Publishing groups: the index's numbers, odd names, a second run, a killed one, a full disk."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.errors import OutputError, SplitError
from lurge.export import groups
from lurge.export.groups import IndexRow, SplitVolume, file_stem, index_row, publish, sole_split
from lurge.export.parts import VolumeParts
from lurge.model.split import GroupLines, Portion
from lurge.parallel.crew import ThreadCrew
from tests.hostile import strategies

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
def test_the_index_estimates_the_time_and_memory_of_a_group(lines: int, directories: int, row: IndexRow) -> None:
    assert index_row("g", lines, directories) == row


def parts(folder: Path, **by_gid: bytes) -> SplitVolume:
    folder.mkdir(parents=True)
    groups = []
    for name, text in by_gid.items():
        gid = int(name[1:])
        (folder / f"{gid}.gz").write_bytes(gzip.compress(text, mtime=0))
        groups.append(GroupLines(gid, text.count(b"\n"), 0))
    return SplitVolume(folder, groups)


def read(folder: Path) -> dict[str, str]:
    return {
        path.name: (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        for path in folder.iterdir()
    }


NAMES = {1: "team.1", 2: "a/b c\té", 3: ".hidden", -1: "team113-116"}


def test_the_lines_of_all_volumes_are_published_together(tmp_path: Path) -> None:
    with sole_split(tmp_path / "groups") as folder:
        first = parts(folder / "0", g1=b"1\n2\n", g2=b"x\n")
        second = parts(folder / "1", g1=b"3\n", g3=b"y\n")
        (second.folder / "-1.gz").write_bytes(gzip.compress(b"p\n", mtime=0))
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


long_names = st.text(max_size=5).map(lambda text: "é" * 200 + text)


@given(st.lists(strategies.text_names | long_names, unique=True))
def test_no_two_groups_share_a_file(names: list[str]) -> None:
    stems = [file_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all(len(f"{stem}.dat.gz".encode("utf-8", "surrogatepass")) <= 255 for stem in stems)
    assert not any("/" in stem or "\t" in stem or "\n" in stem or stem.startswith(".") for stem in stems)


def test_groups_that_the_starter_of_servers_does_not_find(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It splits the lines of the index at white space, of any kind."""
    names = {1: "plain", 2: "two words", 3: "em\u2003space"}
    with sole_split(tmp_path) as folder:
        publish(tmp_path, DAY, [parts(folder / "0", g1=b"1\n", g2=b"2\n", g3=b"3\n")], names, {})
    (warning,) = caplog.messages
    assert warning.endswith("no server for em\u2003space, two words")


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


@pytest.mark.parametrize("token", [".0123456789abcdef", ""])
def test_a_killed_run_is_tidied(tmp_path: Path, token: str) -> None:
    """Killed after the old folder was moved away, or later; also a run of an older lurge, whose names had no token."""
    publish_one(tmp_path, b"old\n")
    (tmp_path / "20240131").rename(tmp_path / f".20240131{token}.replaced")
    (tmp_path / f".20240131{token}.unfinished").mkdir()
    (tmp_path / f".parts{token}.unfinished").mkdir()
    with sole_split(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "20240131"]
    publish_one(tmp_path, b"new\n").parent.joinpath(f".20240131{token}.replaced").mkdir()
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


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"), sole_split(tmp_path / "file" / "groups"):
        pass


def test_links_and_what_is_not_ours_are_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    directory = tmp_path / "groups"
    publish_one(directory, b"old\n")
    (directory / ".20240131.unfinished").symlink_to(precious)
    (directory / ".20240130.replaced").symlink_to(precious)
    assert read(publish_one(directory, b"new\n"))["team.1.dat.gz"] == "new\n"
    assert precious.is_dir()
    assert not (directory / "20240130").exists()


class Counted(list[GroupLines]):
    """Counts how often its items are looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[GroupLines]:
        for group in super().__iter__():
            Counted.looked_at += 1
            yield group


def test_the_work_grows_with_the_groups_not_with_their_square(tmp_path: Path) -> None:
    count = 300
    with sole_split(tmp_path) as folder:
        volumes = []
        for number in range(2):
            made = parts(folder / str(number), **{f"g{gid}": b"x\n" for gid in range(count)})
            volumes.append(SplitVolume(made.folder, Counted(made.groups)))
        publish(tmp_path, DAY, volumes, {gid: f"group{gid}" for gid in range(count)}, {})
    assert Counted.looked_at <= 4 * count


def test_very_many_groups_are_not_all_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lurge.export.parts.MAX_BYTES_OPEN", 1000)
    made = VolumeParts(tmp_path / "parts")
    expected: dict[int, bytes] = {}
    for line in range(200):
        gids = np.arange(line % 7, 50, 7)
        text = b"".join(b"%d %d\n" % (line, gid) for gid in gids.tolist())
        lines = text.splitlines(keepends=True)
        for gid, own in zip(gids.tolist(), lines, strict=True):
            expected[gid] = expected.get(gid, b"") + own
        ones = np.ones(len(gids), np.int64)
        ends = np.cumsum([len(own) for own in lines])
        made.add(line + 1, 1, Portion(gids, ones, 0 * ones, ends, np.frombuffer(text, np.uint8)))
        assert sum(map(len, made._open.values())) <= 1000 + len(text)
    made.finish([], ThreadCrew(1))
    assert {gid: gzip.decompress((tmp_path / "parts" / f"{gid}.gz").read_bytes()) for gid in expected} == expected
