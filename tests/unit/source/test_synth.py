"""Made-up worlds: equal seeds, every era, and what they must hold."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from lurge.aggregate.era import detect_era
from lurge.aggregate.plain import decode_path
from lurge.model.dump import last_second
from lurge.model.era import Encoding
from lurge.model.paths import PathAliases
from lurge.model.report import VAULT_STATES, VolumeReport
from lurge.model.rules import Rules
from lurge.parallel.blocks import Buffers, cut
from lurge.source.finding import read_base_directories
from lurge.source.synth.world import vault_key
from lurge.source.synth.write import STYLES, World, make_world
from tests.passes import StandardPass
from tests.streams import arriving

DAY = date(2024, 1, 31)


def make(folder: Path, era: str, seed: int = 3, records: int = 5000, dates: int = 1) -> list[Path]:
    world = World(seed, ("scratch101",), records, (era,), dates, DAY)
    return [path for path, _ in make_world(world, folder)]


def read(folder: Path, dump: Path) -> VolumeReport:
    text = gzip.decompress(dump.read_bytes())
    (bases,) = (folder / "dumps").glob("*.basedirs")
    directories = tuple(read_base_directories(bases))
    era = detect_era(text)
    assert era
    rules = Rules(era, last_second(DAY), directories, (), (), ("users", "projects"), PathAliases())
    aggregator = StandardPass(rules)
    for batch in cut(arriving([text]), 250, Buffers()):
        aggregator.add(batch.text, batch.first_line)
    return aggregator.report(text.count(b"\n"))


@pytest.mark.parametrize("era", STYLES)
def test_every_era_is_a_whole_world(tmp_path: Path, era: str) -> None:
    (dump,) = make(tmp_path, era, records=100_000)
    report = read(tmp_path, dump)
    assert detect_era(gzip.decompress(dump.read_bytes())) == STYLES[era].era
    assert report.counts.lines == 100_000
    assert report.counts.rejected == report.counts.bad_vault_keys == 0
    assert report.counts.unattributed > 0
    assert {row.state for row in report.vault} == set(VAULT_STATES)
    assert any("restricted" in row.base for row in report.groups)


@pytest.mark.parametrize("era", ["6.0", "6.4"])
def test_new_eras_are_sorted(tmp_path: Path, era: str) -> None:
    (dump,) = make(tmp_path, era, records=20_000)
    lines = gzip.decompress(dump.read_bytes()).splitlines()
    paths = [decode_path(line.split(b"\t")[0], Encoding.QUOTED) for line in lines]
    assert paths == sorted(paths)
    assert len(set(paths)) == len(paths)


def test_equal_seeds_make_equal_worlds(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        make(tmp_path / name, "6.4", seed, dates=2)
    content = {
        name: {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")
               if path.is_file()}
        for name in ("one", "same", "other")
    }  # fmt: skip
    assert content["one"] == content["same"]
    assert content["one"] != content["other"]


def test_later_dates_have_more_records(tmp_path: Path) -> None:
    dumps = make(tmp_path, "5.0", dates=3)
    sizes = [gzip.decompress(dump.read_bytes()).count(b"\n") for dump in dumps]
    assert len(sizes) == 3
    assert sizes[0] < sizes[-1] == 5000


@pytest.mark.parametrize("seed", range(3))
def test_an_inode_is_one_entry_or_its_hard_links(tmp_path: Path, seed: int) -> None:
    """Also that of a file in a vault, whose other link is its key."""
    dumps = make(tmp_path, "6.4", seed, records=20_000, dates=2)
    for dump in dumps:
        by_inode: dict[bytes, list[list[bytes]]] = {}
        for line in gzip.decompress(dump.read_bytes()).splitlines():
            fields = line.split(b"\t")
            by_inode.setdefault(fields[8], []).append(fields)
        linked = [entries for entries in by_inode.values() if len(entries) > 1]
        assert len(linked) > 50
        assert any(b"/.vault/" in fields[0] for entries in linked for fields in entries)
        for entries in linked:
            assert len({tuple(fields[1:]) for fields in entries}) == 1
            assert (entries[0][7], int(entries[0][9])) == (b"f", len(entries))
        alone = [entries[0] for entries in by_inode.values() if len(entries) == 1]
        assert {int(fields[9]) for fields in alone if fields[7] != b"d"} <= {0, 1}


@pytest.mark.parametrize(
    ("inode", "path", "key"),
    [
        (123456, b"path/to/some/file", b"01/e2/40-cGF0aC90by9zb21lL2ZpbGU="),
        (144115205255725057, b"t/data?>>~file", b"02/00/00/04/00/00/00/01-dC9kYXRhPz4+fmZpbGU="),
        (7, b"a/why???.txt", b"07-YS93aHk_Pz8udHh0"),
    ],
)
def test_a_vault_key_is_the_one_of_the_specification(inode: int, path: bytes, key: bytes) -> None:
    assert vault_key(inode, path) == key
