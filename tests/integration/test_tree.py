"""The tree index: built by a report, asked by `lurge tree` and `lurge.tree`."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lurge.errors import TreeError
from lurge.store.tree.publish import prune
from lurge.tree import open_tree, volumes
from tests.site import DUMP_TIME, Entry, Site, run_lurge

DAY = 86400
TOP = "/lustre/scratch101"
TIMES = ("oldest_mtime", "newest_mtime", "oldest_atime", "newest_atime")


def world(seed: int) -> list[Entry]:
    """Files, links and directories, some of which have no record of their own."""
    rng = random.Random(seed)
    entries = [Entry(TOP, 4096, type="d", gid=0, uid=0)]
    for number in range(200):
        path = TOP + "".join(f"/{rng.choice('abc')}" for _ in range(rng.randint(0, 4)))
        name = rng.choice(["x.bam", "y.log", "z", "t.txt", "new\nline", "\x1b[31m", "w.tar.gz"])
        kind = rng.choice("ffffffdls")
        entries.append(
            Entry(
                f"{path}/{number}{name}",
                rng.choice([0, 5, 4096, 70_000, 2**31]),
                uid=rng.choice([1, 2, 77]),
                gid=rng.choice([10, 11, 99]),
                mtime=DUMP_TIME - rng.choice([0, 29 * DAY, 30 * DAY, 400 * DAY, 730 * DAY, 3000 * DAY, -5]),
                type=kind,
                nlink=rng.choice([1, 1, 1, 2, 0]),
            )
        )
    return entries


@pytest.fixture
def site(site: Site) -> Site:
    site.has_tree = True
    site.configure()
    return site


@pytest.fixture
def indexed(site: Site) -> tuple[Site, list[Entry]]:
    entries = world(1)
    site.base_directories((10, TOP))
    site.dump(*entries)
    site.run()
    return site, entries


def asked(site: Site, *arguments: str, status: int = 0) -> Any:
    done = run_lurge("tree", *arguments, "-c", str(site.config))
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr


def own_directory(entry: Entry) -> str:
    assert isinstance(entry.path, str)
    return entry.path if entry.type == "d" else entry.path.rpartition("/")[0]


def sums(entries: list[Entry], exact_times: bool = True) -> dict[str, Any]:
    """The sums of some records, as JSON must have them."""
    present = [entry for entry in entries if entry.nlink]
    mtimes = [min(entry.mtime, DUMP_TIME) for entry in present]
    result: dict[str, Any] = {
        "records": len(present),
        "files": sum(entry.type == "f" for entry in present),
        "directories": sum(entry.type == "d" for entry in present),
        "bytes": sum(entry.size if entry.type == "d" else entry.size // entry.nlink for entry in present),
    }
    if exact_times:
        # The access time of every entry is 0.
        times = (min(mtimes, default=None), max(mtimes, default=None), *(0 if present else None,) * 2)
        result |= {name: None if time is None else text_of(time) for name, time in zip(TIMES, times, strict=True)}
    return result


def text_of(seconds: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def below(entries: list[Entry], path: str) -> list[Entry]:
    return [entry for entry in entries if (own_directory(entry) + "/").startswith(path + "/")]


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ((), lambda entry: True),
        (("--group", "ten"), lambda entry: entry.gid == 10),
        (("--group", "99", "--group", "eleven"), lambda entry: entry.gid in (99, 11)),
        (
            ("--user", "due", "--filetype", "BAM"),
            lambda entry: entry.uid == 2 and entry.path.endswith(".bam") and entry.type == "f",
        ),
        (("--filetype", "log"), lambda entry: entry.path.endswith(".log") and entry.type == "f"),
        (("--older", "2y"), lambda entry: DUMP_TIME - entry.mtime >= 730 * DAY),
        (("--older", "30d", "--group", "10"), lambda entry: DUMP_TIME - entry.mtime >= 30 * DAY and entry.gid == 10),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_a_directory_holds_the_records_that_match(
    indexed: tuple[Site, list[Entry]], options: tuple[str, ...], matches: Any
) -> None:
    site, entries = indexed
    wanted = [entry for entry in entries if matches(entry)]
    exact = "--older" not in options
    for path in (TOP, f"{TOP}/a", f"{TOP}/b/c"):
        answer = asked(site, path, "--json", *options)
        assert (answer["volume"], answer["date"], answer["path"]) == ("scratch101", "2024-01-31", path)
        for part, expected in (
            ("total", below(wanted, path)),
            ("here", [entry for entry in wanted if own_directory(entry) == path]),
        ):
            assert answer[part] == answer[part] | sums(expected, exact), part
        children = {own_directory(entry)[len(path) + 1 :].split("/")[0] for entry in below(wanted, path) if entry.nlink}
        assert len(answer["children"]) == len(children - {""})
        for child in answer["children"]:
            if "\\" not in child["path"]:
                assert child == child | sums(below(wanted, child["path"]), exact)


@pytest.mark.parametrize(("by", "key"), [("group", "gid"), ("user", "uid")])
def test_a_directory_is_divided_by_owners_with_their_names(
    indexed: tuple[Site, list[Entry]], by: str, key: str
) -> None:
    site, entries = indexed
    answer = asked(site, TOP, "--json", "--by", by)
    names = {"group": {10: "ten", 11: "eleven"}, "user": {1: "uno", 2: "due"}}[by]
    present = [entry for entry in entries if entry.nlink]
    assert {row["value"] for row in answer["by"]} == {getattr(entry, key) for entry in present}
    for row in answer["by"]:
        assert row == row | sums([entry for entry in present if getattr(entry, key) == row["value"]])
        assert row["name"] == names.get(row["value"], str(row["value"]))


def test_ages_and_sizes_add_up_to_the_whole(indexed: tuple[Site, list[Entry]]) -> None:
    site, _ = indexed
    by_age, by_size = (asked(site, TOP, "--json", "--by", by) for by in ("age", "size"))
    assert sum(row["records"] for row in by_age["by"]) == by_age["total"]["records"]
    assert sum(row["bytes"] for row in by_age["by"]) == by_age["total"]["bytes"]
    assert sum(row["files"] for row in by_size["by"]) == by_size["total"]["files"]


def test_any_number_of_ranks_and_any_order_give_equal_files(site: Site) -> None:
    site.base_directories((10, TOP))
    entries = world(2)
    contents = []
    for order, ranks in ((entries, ()), (entries[::-1], ()), (entries, ("-n", "3"))):
        site.dump(*order)
        site.run("--force", *ranks)
        folder = site.folder / "out" / "tree" / "scratch101" / "20240131"
        contents.append({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")})
    assert contents[0]
    assert contents[0] == contents[1] == contents[2]


def test_values_are_encoded_as_the_oldest_readers_know(indexed: tuple[Site, list[Entry]]) -> None:
    site, _ = indexed
    files = sorted((site.folder / "out" / "tree").rglob("*.parquet"))
    assert {path.parent.name for path in files} == {"directories", "own", "usage"}
    encodings = {
        encoding
        for path in files
        for group in [pq.read_metadata(path).row_group(0)]
        for number in range(group.num_columns)
        for encoding in group.column(number).encodings
    }
    assert encodings == {"PLAIN", "RLE", "RLE_DICTIONARY"}


def test_a_path_that_is_no_directory_names_the_nearest_above(indexed: tuple[Site, list[Entry]]) -> None:
    site, _ = indexed
    message = asked(site, f"{TOP}/a/nothing/here", status=1)
    assert f"The nearest directory above it is {TOP}/a" in message
    assert "no volume" in asked(site, "/elsewhere", status=1)
    assert "2y is 730d" in asked(site, TOP, "--older", "90d", status=2)


def test_names_cannot_change_the_terminal(indexed: tuple[Site, list[Entry]]) -> None:
    site, _ = indexed
    text = asked(site, TOP, "--depth", "4")
    assert "\x1b" not in text
    assert TOP in asked(site)


def test_growth_shows_who_did_it(site: Site) -> None:
    site.base_directories((10, TOP))
    site.dump(Entry(f"{TOP}/a/x", 100, uid=1), Entry(f"{TOP}/b/y", 50, uid=2), day="20240130")
    site.run()
    site.dump(Entry(f"{TOP}/a/x", 100, uid=1), Entry(f"{TOP}/b/y", 50, uid=2), Entry(f"{TOP}/c/z", 7000, uid=2))
    site.run()
    answer = asked(site, TOP, "--since", "2024-01-30", "--json")
    assert answer["total"]["bytes_growth"] == 7000
    assert [(row["name"], row["bytes_growth"]) for row in answer["children"]] == [(f"{TOP}/c", 7000)]
    assert [(row["name"], row["bytes_growth"]) for row in answer["users"]] == [("due", 7000)]
    plain = asked(site, TOP, "--json", "--by", "user")
    also = asked(site, TOP, "--since", "2024-01-30", "--json", "--by", "user")
    for name in ("volume", "date", "path", "filters", "here", "by"):
        assert also[name] == plain[name]
    (grown,) = also["children"]
    (child,) = (row for row in plain["children"] if row["path"] == grown["path"])
    assert child.items() <= grown.items()
    assert plain["total"].items() <= also["total"].items()
    assert "due" in asked(site, TOP, "--since", "2024-01-30")
    tree = open_tree(site.folder / "out" / "tree", "scratch101")
    growth = tree.compare("2024-01-30")
    assert growth["bytes_growth"].tolist() == [7000, 0, 0]
    with pytest.raises(TreeError, match="no tree index of scratch101 on 2024-01-29"):
        tree.at("2024-01-29")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_volumes_and_growth_as_csv(site: Site) -> None:
    """Two directories that are shown alike stay two."""
    site.base_directories((10, TOP))
    for day, size in (("20240130", 1000), ("20240131", 3000)):
        site.dump(Entry(f"{TOP}/\\xff/y", size // 100, uid=2), Entry(TOP.encode() + b"/\xff/x", size, uid=1), day=day)
        site.run()
    (volume,) = rows_of(asked(site, "--csv"))
    assert (volume["volume"], volume["date"], volume["bytes"]) == ("scratch101", "2024-01-31", "3030")
    assert rows_of(asked(site, "--csv", "--date", "2024-01-30"))[0]["bytes"] == "1010"
    grown = rows_of(asked(site, TOP, "--since", "2024-01-30", "--csv"))
    assert [(row["kind"], row["name"], row["bytes_growth"]) for row in grown] == [
        ("total", "total", "2020"), ("child", f"{TOP}/\\xff", "2000"), ("child", f"{TOP}/\\xff", "20"),
        ("group", "ten", "2020"), ("user", "uno", "2000"), ("user", "due", "20"),
    ]  # fmt: skip
    as_json = asked(site, TOP, "--since", "2024-01-30", "--json")["children"]
    assert [(row["bytes"], row["bytes_before"]) for row in as_json] == [(3000, 1000), (30, 10)]


def test_a_directory_is_found_in_any_index_whose_top_is_above_it(site: Site) -> None:
    """Records outside of the volumes make the root the top of both indexes."""
    site.volumes = ["scratch101", "scratch102"]
    site.configure()
    site.base_directories((10, TOP))
    for number, day in ((101, "20240130"), (102, "20240131")):
        entries = [Entry(f"/lustre/scratch{number}/a/x", number), Entry(f"/elsewhere/{number}/y", 1)]
        site.dump(*entries, volume=f"scratch{number}", day=day)
    site.run()
    for number in (101, 102):
        assert asked(site, f"/lustre/scratch{number}/a", "--json")["total"]["bytes"] == number
        assert asked(site, f"/elsewhere/{number}", "--json")["volume"] == f"scratch{number}"
    assert asked(site, "/elsewhere/102", "--date", "2024-01-31", "--json")["total"]["bytes"] == 1
    assert "no tree index of scratch102 on 2024-01-30" in asked(
        site, "/elsewhere/102", "--date", "2024-01-30", status=1
    )
    assert "is not a directory" in asked(site, "/elsewhere/103", status=1)


def test_the_files_tell_how_many_rows_a_row_group_has(indexed: tuple[Site, list[Entry]]) -> None:
    """Indexes of other versions have others."""
    site, _ = indexed
    paths = [TOP, f"{TOP}/a", f"{TOP}/b/c"]
    before = [asked(site, path, "--json", "--by", "user") for path in paths]
    folder = site.folder / "out" / "tree" / "scratch101" / "20240131"
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        pq.write_table(pq.read_table(folder / name), folder / name, row_group_size=3)
        manifest["files"][name] = (folder / name).stat().st_size
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert [asked(site, path, "--json", "--by", "user") for path in paths] == before


def test_frames_have_the_same_numbers(indexed: tuple[Site, list[Entry]]) -> None:
    site, entries = indexed
    directory = site.folder / "out" / "tree"
    assert volumes(directory) == ["scratch101"]
    tree = open_tree(directory, "scratch101", "2024-01-31")
    children = tree.children(groups=["ten"], older_than=730)
    old = [entry for entry in entries if entry.gid == 10 and DUMP_TIME - entry.mtime >= 730 * DAY]
    for row in children.itertuples():
        assert row.bytes == sums(below(old, str(row.path)), exact_times=False)["bytes"]
    assert tree.usage(by="filetype")["records"].sum() == tree.total()["records"]
    assert tree.where()["share"].sum() <= 1
    with pytest.raises(TreeError, match="no group nobody"):
        tree.children(groups=["nobody"])
    with pytest.raises(TreeError, match="no boundary at 90 days"):
        tree.children(older_than=90)


def test_names_that_are_not_utf8_are_surrogate_escapes_in_frames(site: Site) -> None:
    site.base_directories((10, TOP))
    site.dump(Entry(f"{TOP}/a/x"), Entry(TOP.encode() + b"/\xff/y"))
    site.run()
    tree = open_tree(site.folder / "out" / "tree", "scratch101")
    assert tree.children()["path"].tolist() == [f"{TOP}/a", f"{TOP}/\udcff"]
    assert tree.children(f"{TOP}/\udcff").empty


def test_growth_is_exact_beyond_the_digits_of_a_float(site: Site) -> None:
    size = 2**60 + 1
    site.base_directories((10, TOP))
    site.dump(Entry(f"{TOP}/a/x", size), Entry(f"{TOP}/b/y", 1), day="20240130")
    site.run()
    site.dump(Entry(f"{TOP}/a/x", size + 1), Entry(f"{TOP}/c/z", size))
    site.run()
    tree = open_tree(site.folder / "out" / "tree", "scratch101")
    growth = tree.compare("2024-01-30").set_index("path")
    assert growth["bytes_growth"].to_dict() == {f"{TOP}/c": size, f"{TOP}/a": 1, f"{TOP}/b": -1}
    assert growth["bytes_before"].to_dict() == {f"{TOP}/c": 0, f"{TOP}/a": size, f"{TOP}/b": 1}


def test_ages_are_exact_if_the_sum_of_all_is_capped(site: Site) -> None:
    """A row of usage whose bytes are capped, but not those of the age that is asked for."""
    site.base_directories((10, TOP))
    old = DUMP_TIME - 100 * DAY
    new = (Entry(f"{TOP}/a/{number}", 2**62, mtime=DUMP_TIME) for number in range(3))
    site.dump(*new, Entry(f"{TOP}/a/old", 7, mtime=old))
    site.run()
    tree = open_tree(site.folder / "out" / "tree", "scratch101")
    assert tree.children()["bytes"].tolist() == [2**63 - 1]
    assert tree.children(older_than=60)["bytes"].tolist() == [7]


def test_old_indexes_are_removed_but_the_newest_of_each_month(tmp_path: Path) -> None:
    days = [date(2024, 1, 10), date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 20), date(2024, 2, 27)]
    for day in days:
        folder = tmp_path / "v" / f"{day:%Y%m%d}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    assert prune(tmp_path, "v", 7) == [date(2024, 1, 10), date(2024, 2, 1), date(2024, 2, 20)]
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == ["20240131", "20240227"]


def test_a_report_without_a_tree(site: Site) -> None:
    site.has_tree = False
    site.configure()
    site.base_directories((10, TOP))
    site.dump(Entry(f"{TOP}/x"))
    site.run()
    assert not (site.folder / "out" / "tree").exists()
    assert "no tree index" in asked(site, TOP, status=1)


def test_a_tree_that_cannot_be_written_does_not_stop_the_report(site: Site) -> None:
    (site.folder / "out").mkdir()
    (site.folder / "out" / "tree").write_text("not a folder")
    site.base_directories((10, TOP))
    site.dump(Entry(f"{TOP}/x"))
    done = site.run(status=3)
    assert "no tree index" in done.stderr
    assert site.rows("SELECT records FROM volume_summary") == [(1,)]


def test_the_examples_of_the_documentation_work(
    indexed: tuple[Site, list[Entry]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site, _ = indexed
    page = (Path(__file__).parents[2] / "docs" / "tree.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(site.folder)
    for example in examples:
        exec(compile(example, "docs/tree.md", "exec"), {})
    assert len(examples) == 2
    assert TOP in capsys.readouterr().out


def test_look_answers_without_configuration(tmp_path: Path) -> None:
    tree = tmp_path / "data"
    (tree / "sub\x1b[31m").mkdir(parents=True)
    (tree / "a.log").write_bytes(b"x" * 5000)
    (tree / "sub\x1b[31m" / "b.bam").write_bytes(b"x" * 70_000)
    os.link(tree / "a.log", tree / "again.log")
    os.symlink("a.log", tree / "link")
    done = run_lurge("look", str(tree), "--json", "--save", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["path"] == str(tree)
    directories = sum(path.stat().st_size for path in (tree, tree / "sub\x1b[31m"))
    assert answer["total"]["bytes"] == 2 * 2500 + 70_000 + directories + len("a.log")
    assert (answer["total"]["files"], answer["total"]["directories"], answer["total"]["records"]) == (3, 2, 6)
    assert answer["here"]["records"] == 4
    assert open_tree(tmp_path / "kept", "data").usage(by="filetype")["records"].sum() == 6
    text = run_lurge("look", str(tree)).stdout
    assert "\x1b" not in text
    assert "BAM" in text
    assert "2 of 3 files have at most 64 KiB" in text
    assert run_lurge("look", str(tmp_path / "nothing")).returncode == 1


def test_a_very_deep_tree_needs_few_open_files(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
    command = [
        "bash",
        "-c",
        'ulimit -n 256; exec "$@"',
        "-",
        sys.executable,
        "-P",
        "-m",
        "lurge",
        "look",
        str(tmp_path),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"]["directories"] == 301


def test_sums_that_do_not_fit_are_capped_in_answers_too(site: Site) -> None:
    site.base_directories((10, TOP))
    site.dump(*(Entry(f"{TOP}/{number}", 2**63 - 1, uid=number) for number in range(3)), Entry(f"{TOP}/d", 0, type="d"))
    site.run()
    answer = asked(site, TOP, "--json", "--older", "30d")
    assert answer["total"]["bytes"] == 0
    answer = asked(site, TOP, "--json", "--by", "age", "--user", "0", "--user", "1")
    assert [answer[part]["bytes"] for part in ("total", "here")] == [2**63 - 1] * 2
    assert answer["by"][0]["bytes"] == 2**63 - 1


def test_strange_questions_are_errors_that_say_so(indexed: tuple[Site, list[Entry]]) -> None:
    site, _ = indexed
    tree = open_tree(site.folder / "out" / "tree", "scratch101")
    with pytest.raises(TreeError, match="is not a directory"):
        tree.children(TOP + "/a" * 3000)
    assert tree.total(groups=["9" * 25])["records"] == 0
