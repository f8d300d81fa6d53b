"""Questions of `lurge tree` that find waste, and indexes that are damaged and built again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.site import DUMP_TIME, Entry, Site, run_lurge

DAY = 86400
TOP = "/lustre/scratch101"
NIGHT = "2024-01-31"

Damage = Callable[[Path], object]


@pytest.fixture
def site(site: Site) -> Site:
    site.has_tree = True
    site.configure()
    site.base_directories((10, TOP))
    site.dump(
        Entry(TOP, 4096, type="d", uid=0, gid=0),
        Entry(f"{TOP}/a/small", 10, uid=1, gid=10),
        Entry(f"{TOP}/a/large", 70_000, uid=2, gid=10),
        Entry(f"{TOP}/b/edge", 65_536, uid=1, gid=77),
        Entry(f"{TOP}/b/old", 5_000_000, uid=1, gid=10, mtime=DUMP_TIME - 4000 * DAY),
        Entry(f"{TOP}/b/link", 3, uid=1, gid=10, type="l"),
    )
    site.run()
    return site


def asked(site: Site, *arguments: str) -> Any:
    done = run_lurge("tree", *arguments, "--json", "-c", str(site.config))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def adds_up(answer: Any, measure: str) -> bool:
    """True if children and the records of the directory itself make up its total."""
    parts = [answer["here"], *answer["children"]]
    return bool(answer["total"][measure] == sum(part[measure] for part in parts))


def test_small_files_are_counted_in_every_directory(site: Site) -> None:
    answer = asked(site, TOP, "--small", "--by", "user")
    assert answer["total"]["records"] == answer["total"]["files"] == 2
    assert answer["total"]["bytes"] is None
    assert [(child["path"], child["records"]) for child in answer["children"]] == [(f"{TOP}/a", 1), (f"{TOP}/b", 1)]
    assert [(row["value"], row["records"]) for row in answer["by"]] == [(1, 2)]
    assert adds_up(answer, "records")


def test_cold_data_is_what_was_not_read_for_two_years(site: Site) -> None:
    # The access time of every entry is 1970.
    answer = asked(site, TOP, "--cold", "--by", "user")
    assert answer["filters"]["older_than"] == 730
    assert answer["filters"]["by"] == "atime"
    assert answer["total"]["records"] == 6
    assert sum(row["bytes"] for row in answer["by"]) == answer["total"]["bytes"]
    assert adds_up(answer, "bytes")


def test_ownerless_data_has_a_user_or_a_group_without_a_name(site: Site) -> None:
    names = {"groups": {10: "ten"}, "users": {1: "one"}}
    manifest = next((site.folder / "out" / "tree").glob("*/*/manifest.json"))
    contents = json.loads(manifest.read_text())
    for kind, known in names.items():
        contents[kind] = {number: known.get(int(number), number) for number in contents[kind]}
    manifest.write_text(json.dumps(contents))
    answer = asked(site, TOP, "--ownerless")
    assert answer["total"]["records"] == 3
    assert answer["total"]["bytes"] == 4096 + 70_000 + 65_536
    assert adds_up(answer, "bytes")


@pytest.mark.parametrize(
    "options", [["--cold", "--older", "2y"], ["--small", "--older", "2y"], ["--small", "--by", "age"]]
)
def test_questions_that_exclude_each_other_are_refused(site: Site, options: list[str]) -> None:
    done = run_lurge("tree", TOP, *options, "-c", str(site.config))
    assert done.returncode in (1, 2)
    assert "->" in done.stderr


DAMAGES: dict[str, Damage] = {
    "another version": lambda folder: edit_manifest(folder, '"schema_version": 2', '"schema_version": 99'),
    "a manifest that is cut": lambda folder: (folder / "manifest.json").write_text('{"schema_version"'),
    "a manifest without its list of files": lambda folder: edit_manifest(folder, '"files"', '"others"'),
    "a file that is cut": lambda folder: cut(folder / "usage" / "0001.parquet"),
    "a missing depth": lambda folder: (folder / "directories" / "0001.parquet").unlink(),
    "a missing kind": lambda folder: shutil.rmtree(folder / "own"),
    "a file of noise": lambda folder: make_noise(folder / "directories" / "0000.parquet"),
}


def edit_manifest(folder: Path, old: str, new: str) -> None:
    path = folder / "manifest.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def make_noise(path: Path) -> None:
    path.write_bytes(b"\x55" * path.stat().st_size)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_says_how_to_build_it_again_and_that_works(site: Site, damage: Damage) -> None:
    before = asked(site, TOP, "--by", "group", "--depth", "3")
    damage(site.folder / "out" / "tree" / "scratch101" / "20240131")
    done = run_lurge("tree", TOP, "-c", str(site.config))
    assert done.returncode == 1
    assert "lurge backfill --tree" in done.stderr
    rebuilt = run_lurge("backfill", "--tree", NIGHT, "-c", str(site.config))
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert asked(site, TOP, "--by", "group", "--depth", "3") == before


def test_rebuilding_names_the_dates_of_dumps_that_exist(site: Site) -> None:
    done = run_lurge("backfill", "--tree", "2020-02-29", "-c", str(site.config))
    assert done.returncode == 1
    assert NIGHT in done.stdout


def test_a_damaged_volume_does_not_hide_the_others(site: Site) -> None:
    folder = site.folder / "out" / "tree"
    shutil.copytree(folder / "scratch101", folder / "copy")
    edit_manifest(folder / "copy" / "20240131", '"volume": "scratch101"', '"volume": "copy"')
    cut(folder / "copy" / "20240131" / "usage" / "0000.parquet")
    done = run_lurge("tree", "-c", str(site.config))
    assert (done.returncode, "scratch101" in done.stdout) == (0, True)
    assert "copy" in done.stderr
    assert asked(site, TOP)["total"]["records"] == 6
