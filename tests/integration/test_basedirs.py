"""`lurge basedirs`: the depth that it chooses, the files that it takes, and what a report says without its work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lurge.pipeline.depth import Holder, choose_depth, common_directory
from tests.site import Entry, Site, run_lurge


def basedirs(*arguments: object) -> list[str]:
    """The lines that `lurge basedirs` writes into `out.basedirs` beside the first argument."""
    out = Path(str(arguments[0])).parent / "out.basedirs"
    done = run_lurge("basedirs", *map(str, arguments), "-o", str(out))
    assert done.returncode == 0, done.stderr
    return out.read_text().splitlines()


def test_a_shallow_tree_loses_nothing(site: Site) -> None:
    dump = site.dump(
        Entry("/lustre/scratch101/top", gid=1),
        Entry("/lustre/scratch101/a/x", gid=1),
        Entry("/lustre/scratch101/a/b/x", gid=2),
        Entry("/lustre/scratch101/a/b/y", gid=2),
    )
    lines = basedirs(dump)
    assert lines == ["1\t/lustre/scratch101", "1\t/lustre/scratch101/a", "2\t/lustre/scratch101/a/b"]
    (site.dumps / "out.basedirs").rename(site.dumps / "20240131.basedirs")
    counts = json.loads(site.run("--json").stdout)["volumes"][0]["counts"]
    assert (counts["attributed"], counts["unattributed"]) == (4, 0)


def test_the_depth_of_a_volume_is_counted_from_its_mount_point(site: Site) -> None:
    """Also if everything lies in one realm of it; without a known mount point, from what all files have in common."""
    deep = [Entry(f"/lustre/scratch101/humgen/projects/p{i % 3}/run/{i}/x") for i in range(30)]
    assert basedirs(site.dump(*deep)) == [f"10\t/lustre/scratch101/humgen/projects/p{i}" for i in range(3)]
    assert basedirs(site.dump(Entry("/a/b/c/d/e/f/g/h/x"), Entry("/a/b/c/d/e/f/g/h/i/y"))) == [
        "10\t/a/b/c/d/e/f/g/h",
        "10\t/a/b/c/d/e/f/g/h/i",
    ]


def test_the_depth_is_chosen_for_few_base_directories() -> None:
    holders = [Holder(1, b"/v/a/%d/%d" % (i % 50, i), 10) for i in range(2000)]
    assert choose_depth(holders, b"/v") == 3
    assert choose_depth([*holders, Holder(1, b"/v", 20_001)], b"/v") == 1


@pytest.mark.parametrize(
    ("paths", "common"),
    [([b"/a/b", b"/a/bc"], b"/a"), ([b"/a/b", b"/a"], b"/a"), ([b"/a", b"/b"], b""), ([b"/a"], b"/a"), ([], b"")],
)
def test_the_common_directory_ends_at_a_whole_name(paths: list[bytes], common: bytes) -> None:
    assert common_directory(paths) == common


def test_a_dump_may_have_any_name(site: Site, tmp_path: Path) -> None:
    dump = site.dump(Entry("/p/q/x"))
    for name in ("copy", "some.gz"):
        copy = tmp_path / name
        copy.write_bytes(dump.read_bytes())
        os.utime(copy, (86400 * 365, 86400 * 365))
        done = run_lurge("basedirs", str(copy))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "19710101.basedirs").read_text() == "10\t/p/q\n"


def test_basedirs_says_that_it_compiles(site: Site, tmp_path: Path) -> None:
    done = run_lurge("basedirs", str(site.dump(Entry("/p/q/x"))), env={"NUMBA_CACHE_DIR": str(tmp_path)})
    assert "compiling, once for this installation" in done.stderr


def warnings(site: Site, *arguments: str) -> list[str]:
    found: list[str] = json.loads(site.run("--json", "--force", *arguments).stdout)["volumes"][0]["warnings"]
    return found


def test_a_volume_that_is_mostly_unattributed_is_warned_of(site: Site) -> None:
    site.base_directories((10, "/elsewhere"))
    dump = site.dump(Entry("/p", type="d"), Entry("/p/x"), Entry("/elsewhere/x", gid=11), Entry("/elsewhere/y"))
    (warning,) = warnings(site)
    assert "scratch101: only 1 of 4 records are attributed" in warning
    assert f"{site.dumps}/20240101.basedirs has no base directory for the rest, such as /p/x of gid 10" in warning
    assert f"`lurge basedirs {dump}`" in warning
    site.base_directories((10, "/nowhere"))
    assert "none of 4 records are attributed" in warnings(site)[0]
    assert "warning: scratch101: none of 4 records" in site.run("--force").stdout
    site.base_directories((10, "/p"), (10, "/elsewhere"))
    assert warnings(site) == []
    site.dump()
    assert warnings(site) == []
