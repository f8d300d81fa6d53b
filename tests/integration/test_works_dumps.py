"""Works counted in a report's pass over dumps: what walking the same trees counts, whatever the era and the ranks."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from lurge.aggregate.plain import decode_quoted
from tests.site import NO_TREE, Entry, Site, encode, run_lurge

IMAGES = "jpg", "TIFF", "txt", "pdf", "Jp2.", "cr2"
NAMES = [b"W1", b"W, 2", b'W"3', b"W\n4", b"W\xff5", "Wüst".encode(), b"W\t6", b"x" * 200, b"archive", b".jpg"]
OBSERVATIONS = """select h.process_host, p.process_project, w.process_work, o.obs_date, t.state, t.path, o.image_count,
    o.file_count, o.bytes, o.newest_mtime, o.publish_state_id
    from works_observations o join works_trees t using (idtree) join process_hosts h on t.process_host_id =
    h.idprocess_host join process_projects p on p.idprocess_project = o.process_project_id
    join process_works w on w.idprocess_work = o.process_work_id"""
STATES = """select process_project, process_work, first_obs_date, last_obs_date, obs_count, image_count,
    file_count, bytes, newest_mtime, process_create_date
    from process_work_states join process_projects on process_project_id = idprocess_project
    join process_works on process_work_id = idprocess_work"""
PUBLISHED = """select process_project, process_work, obs_date, publish_create_date, image_count, file_count, bytes,
    state_name
    from publish_work_states join process_projects on process_project_id = idprocess_project
    join process_works on publish_work_id = idprocess_work join publish_states on publish_state_id = idpublish_state"""
TREES = {"scanned": "scans", "ReadyToProcess": "ready", "published": "published"}


def make_trees(root: bytes, seed: int = 5) -> None:
    """Trees with works of all forms, and with what is none."""
    chosen = random.Random(seed)
    for place in (b"scans", b"ready"):
        for project in (b"P", b"Q q", b"\xe9"):
            for name in chosen.sample(NAMES, 6):
                make_work(os.path.join(root, place, project, name), chosen)
            Path(os.fsdecode(os.path.join(root, place, project, b"no-work.jpg"))).write_bytes(b"1")
            os.symlink(b"W1", os.path.join(root, place, project, b"link"))
        Path(os.fsdecode(os.path.join(root, place, b"no-project.jpg"))).write_bytes(b"1")
    os.makedirs(os.path.join(root, b"scans", b"empty project"))
    os.makedirs(os.path.join(root, b"scans", b"P", b"empty"))
    for name in NAMES:
        work = os.path.join(root, b"published", name)
        make_work(work, chosen)
        if chosen.random() < 0.8:
            make_work(os.path.join(work, b"archive"), chosen)
    make_work(os.path.join(root, b"scansX", b"P", b"W1"), chosen)


def make_work(path: bytes, chosen: random.Random) -> None:
    for below in (b"", b"a", b"a/b", b"archive.d", b"c/archive/x"):
        os.makedirs(os.path.join(path, below), exist_ok=True)
        for number in range(chosen.randint(0, 6)):
            name = chosen.choice(["Thumbs.db", ".DS_Store", "._x.jpg", f"{number}.{chosen.choice(IMAGES)}"])
            file = os.path.join(path, below, name.encode())
            Path(os.fsdecode(file)).write_bytes(b"1" * chosen.randint(0, 99))
            os.utime(file, (0, chosen.choice([10**9, 1.7e9, -5, 4e9]) + chosen.randint(0, 10**6)))
    os.symlink(b"a", os.path.join(path, b"to a"))


def in_era(dump: Path, encoding: str, columns: int, chosen: random.Random | None) -> None:
    """Write a dump's lines as another era does: sorted as text, or in any order."""
    fields = [line.split(b"\t") for line in gzip.decompress(dump.read_bytes()).splitlines()]
    lines = [b"\t".join([encode(decode_quoted(one[0]), encoding), *one[1:columns]]) + b"\n" for one in fields]
    lines.sort()
    if chosen:
        chosen.shuffle(lines)
    dump.write_bytes(gzip.compress(b"".join(lines)))


def stored(database: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(database)
    try:
        return {query: sorted(connection.execute(query), key=repr) for query in (OBSERVATIONS, STATES, PUBLISHED)}
    finally:
        connection.close()


def configure(folder: Path, root: Path, extra: str = "", trees: dict[str, str] = TREES, blocks: int = 4000) -> Path:
    (folder / "dumps").mkdir(exist_ok=True)
    (folder / "20240101.basedirs").write_text(f"0\t{root}/none\n")
    tables = "".join(f'[[works.trees]]\nstate = "{state}"\npath = "{root / name}"\n' for state, name in trees.items())
    file = folder / "lurge.toml"
    file.write_text(
        f'[dumps]\ndirectory = "dumps"\nbase_directories = "20240101.basedirs"\n'
        f'volumes = [{{name = "{root.name}", path = "{root}"}}]\n{NO_TREE}'
        f"[mpi]\nblock_records = {blocks}\n[works]\nfrom_dumps = true\n{extra}\n{tables}"
    )
    return file


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[Any]]]:
    """A folder with trees and the dump of a scan, and what walking them stored."""
    folder = tmp_path_factory.mktemp("works")
    root = folder / "vol"
    make_trees(os.fsencode(root))
    config = configure(folder, root)
    done = run_lurge("works", "gather", "-c", str(config))
    assert done.returncode == 0, done.stderr
    expected = stored(folder / "out" / "lurge.db")
    shutil.rmtree(folder / "out")
    done = run_lurge("scan", str(root), "-o", str(folder / "dumps"))
    assert done.returncode == 0, done.stderr
    assert len(expected[STATES]) > 30
    assert len({row[-1] for row in expected[PUBLISHED]}) == 2
    return folder, expected


@pytest.mark.parametrize("ranks", [1, 3, 5])
@pytest.mark.parametrize("era", [("quoted", 12, 0), ("sorted", 11, 0), ("standard", 11, 0), ("quoted", 12, 7)])
def test_a_report_finds_what_walking_finds(
    walked: tuple[Path, dict[str, list[Any]]], tmp_path: Path, era: tuple[str, int, int], ranks: int
) -> None:
    folder, expected = walked
    encoding, columns, seed = era
    shutil.copytree(folder / "dumps", tmp_path / "dumps", dirs_exist_ok=True)
    (dump,) = (tmp_path / "dumps").glob("*/stats.gz")
    in_era(dump, encoding, columns, random.Random(seed) if seed else None)
    config = configure(tmp_path, folder / "vol", blocks=10)
    done = run_lurge("report", "-c", str(config), "--json", *(["-n", str(ranks)] if ranks > 1 else []))
    assert done.returncode == 0, done.stderr
    assert stored(tmp_path / "out" / "lurge.db") == expected
    (volume,) = json.loads(done.stdout)["volumes"]
    assert [tree["works"] for tree in volume["works"]] == [
        sum(row[4] == state for row in expected[OBSERVATIONS]) for state in TREES
    ]


def test_every_file_counts_if_the_site_says_so(walked: tuple[Path, dict[str, list[Any]]], tmp_path: Path) -> None:
    folder, _ = walked
    config = configure(tmp_path, folder / "vol", 'count = "files"')
    assert run_lurge("works", "gather", "-c", str(config)).returncode == 0
    expected = stored(tmp_path / "out" / "lurge.db")
    shutil.rmtree(tmp_path / "out")
    shutil.copytree(folder / "dumps", tmp_path / "dumps", dirs_exist_ok=True)
    assert run_lurge("report", "-c", str(config)).returncode == 0
    assert stored(tmp_path / "out" / "lurge.db") == expected
    assert all(row[6] == row[7] for row in expected[OBSERVATIONS])


def test_a_tree_that_is_not_in_the_dump_fails_and_others_are_stored(
    walked: tuple[Path, dict[str, list[Any]]], tmp_path: Path
) -> None:
    folder, expected = walked
    trees = TREES | {"cataloged": "gone"}
    config = configure(tmp_path, folder / "vol", "", trees)
    shutil.copytree(folder / "dumps", tmp_path / "dumps", dirs_exist_ok=True)
    done = run_lurge("report", "-c", str(config))
    assert done.returncode == 3
    assert f"{folder}/vol/gone is not in" in done.stderr
    assert stored(tmp_path / "out" / "lurge.db") == expected


def test_a_tree_is_the_same_whatever_the_host_of_the_night(
    walked: tuple[Path, dict[str, list[Any]]], tmp_path: Path
) -> None:
    folder, expected = walked
    config = configure(tmp_path, folder / "vol")
    shutil.copytree(folder / "dumps", tmp_path / "dumps", dirs_exist_ok=True)
    assert run_lurge("report", "-c", str(config)).returncode == 0
    connection = sqlite3.connect(tmp_path / "out" / "lurge.db")
    connection.execute("update process_hosts set process_host = 'another'")
    connection.commit()
    connection.close()
    assert run_lurge("report", "-c", str(config), "--force").returncode == 0
    found = stored(tmp_path / "out" / "lurge.db")
    assert {row[0] for row in found[OBSERVATIONS]} == {"another"}
    assert found[STATES] == expected[STATES]


def test_works_are_left_out_while_another_job_changes_them(
    walked: tuple[Path, dict[str, list[Any]]], tmp_path: Path
) -> None:
    """The report itself is stored."""
    from lurge.config.database import DatabaseConfig
    from lurge.store.database import Database
    from lurge.store.database.lock import sole_run
    from lurge.store.works.area import WORKS

    folder, expected = walked
    config = configure(tmp_path, folder / "vol")
    shutil.copytree(folder / "dumps", tmp_path / "dumps", dirs_exist_ok=True)
    (tmp_path / "out").mkdir()
    database = Database(DatabaseConfig(url=f"sqlite:///{tmp_path}/out/lurge.db"))
    with sole_run(database, WORKS, "works_gather"):
        done = run_lurge("report", "-c", str(config))
    assert done.returncode == 3
    assert "works: database" in done.stderr
    assert "works_gather" in done.stderr
    assert stored(tmp_path / "out" / "lurge.db")[OBSERVATIONS] == []
    # The same command reads the volume again, because its works are missing; and then not any more.
    assert run_lurge("report", "-c", str(config)).returncode == 0
    assert stored(tmp_path / "out" / "lurge.db") == expected
    (again,) = json.loads(run_lurge("report", "-c", str(config), "--json").stdout)["volumes"]
    assert again["state"] == "already stored"


def test_a_tree_is_counted_on_the_volume_that_is_mounted_nearest(tmp_path: Path) -> None:
    """The dump of the volume around it has the directory in which it is mounted, and nothing below."""
    site = Site(tmp_path, volumes=[])
    top, inner = "/lustre/outer", "/lustre/outer/inner"
    folders = [Entry(path, type="d") for path in (inner, f"{inner}/P", f"{inner}/P/W")]
    site.dump(*folders, Entry(f"{inner}/P/W/1.jpg"), volume="inner")
    site.dump(Entry(top, type="d"), folders[0], volume="outer")
    site.base_directories((10, f"{top}/none"))
    file = site.folder / "lurge.toml"
    volumes = f'volumes = [{{name = "inner", path = "{inner}"}}, {{name = "outer", path = "{top}"}}]'
    tree = '[works]\nfrom_dumps = true\n[[works.trees]]\nstate = "scanned"\npath = "/lustre//outer/x/../inner"\n'
    file.write_text(file.read_text().replace("volumes = []", volumes) + tree)
    site.run()
    assert [row[6] for row in stored(site.database)[OBSERVATIONS]] == [1]
