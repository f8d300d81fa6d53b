"""Walking trees of works, and loading backlogs, as commands."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.processes import was_killed
from tests.site import run_lurge


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(path: Path, *names: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).write_bytes(b"12345")


def lurge(*arguments: str, status: int = 0) -> Any:
    done = run_lurge("works", *arguments, "--json")
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def works_in(state: str) -> dict[tuple[str, str], int]:
    rows = lurge("list", "--by", "work", "--state", state)["rows"]
    return {(row["project"], row["work"]): row["images"] for row in rows}


def test_images_are_counted_and_junk_links_and_other_files_are_not(folder: Path) -> None:
    make(folder / "scans" / "P" / "W1" / "deep" / "er", "a.JPG", "b.tiff", "c.txt", "Thumbs.db", ".DS_Store", "._x.jpg")
    make(folder / "scans" / "P" / "W, 2", "1.pdf")
    make(folder / "scans" / "Q" / "W1")
    make(folder / "scans" / "Q", "not-a-work.jpg")
    make(folder / "scans", "not-a-project.jpg")
    (folder / "scans" / "P" / "W1" / "link.jpg").symlink_to("deep/er/a.JPG")
    (folder / "scans" / "P" / "W3").symlink_to("W1")
    (folder / "scans" / "L").symlink_to("P")
    lurge("gather", "-s", "scanned", "scans")
    assert works_in("scanned") == {("P", "W1"): 2, ("P", "W, 2"): 1, ("Q", "W1"): 0}
    (row,) = lurge("show", "W, 2")["rows"]
    assert (row["files"], row["bytes"]) == (1, 5)


def test_every_file_counts_if_the_site_says_so(folder: Path) -> None:
    (folder / "lurge.toml").write_text('[works]\ncount = "files"\n')
    make(folder / "scans" / "P" / "W1", "a.jpg", "c.txt", "Thumbs.db", "._x")
    lurge("gather", "-s", "scanned", "scans")
    assert works_in("scanned") == {("P", "W1"): 2}


@pytest.mark.parametrize(
    ("archived", "others", "state"), [(3, 7, "fullBDRC"), (2, 7, "webBDRC"), (0, 0, "webBDRC"), (1, 0, "fullBDRC")]
)
def test_a_published_work_is_full_from_three_tenths_of_its_files_on(
    folder: Path, archived: int, others: int, state: str
) -> None:
    make(folder / "web" / "W1" / "archive" / "g", *(f"{number}.tif" for number in range(archived)))
    make(folder / "web" / "W1" / "images" / "g", *(f"{number}.jpg" for number in range(others)))
    if not archived:
        (folder / "web" / "W1" / "archive" / "g").rmdir()
        (folder / "web" / "W1" / "archive").rmdir()
    lurge("gather", "-s", "Published", "web")
    (row,) = lurge("list", "--by", "work")["rows"]
    assert (row["project"], row["state"], row["publish_state"]) == (str(folder / "web"), "published", state)


def test_a_work_that_cannot_be_read_is_named_and_what_was_known_of_it_stays(folder: Path) -> None:
    make(folder / "scans" / "P" / "W1", "a.jpg")
    make(folder / "scans" / "P" / "W2", "a.jpg")
    lurge("gather", "-s", "scanned", "scans")
    # Longer than any path may be: it cannot be listed, by root neither.
    os.chdir(folder / "scans" / "P" / "W1")
    for _ in range(20):
        Path("x" * 250).mkdir()
        os.chdir("x" * 250)
    os.chdir(folder)
    answer = lurge("gather", "-s", "scanned", "scans", status=3)
    (tree,) = answer["trees"]
    assert tree["works"] == 1
    assert "W1" in tree["problems"][0]
    assert works_in("scanned") == {("P", "W1"): 1, ("P", "W2"): 1}


def test_a_tree_that_is_missing_fails_and_no_work_of_it_is_gone(folder: Path) -> None:
    make(folder / "scans" / "P" / "W1", "a.jpg")
    lurge("gather", "-s", "scanned", "scans")
    (folder / "scans").rename(folder / "away")
    lurge("gather", "-s", "scanned", "scans", status=1)
    assert works_in("scanned") == {("P", "W1"): 1}


def test_a_state_that_is_not_configured_names_the_known_ones(folder: Path) -> None:
    done = run_lurge("works", "gather", "-s", "proofread", ".")
    assert done.returncode == 2
    assert "cataloged, scanned, ReadyToProcess, published" in done.stderr


def test_configured_trees_are_gathered_and_one_that_fails_does_not_stop_the_others(folder: Path) -> None:
    make(folder / "a" / "P" / "W1", "a.jpg")
    (folder / "lurge.toml").write_text(
        '[works.states]\nproofread = "Proofread"\n[[works.trees]]\nstate = "scanned"\npath = "none"\n'
        '[[works.trees]]\nstate = "proofread"\npath = "./a"\n'
    )
    lurge("gather", status=3)
    assert works_in("proofread") == {("P", "W1"): 1}


HEADER = "obsdate,hostname,srcdir,workdir,workCreateDate,state,imagecount\n"


def test_works_that_are_shown_alike_are_named_and_not_stored(folder: Path) -> None:
    for name, images in ((b"W\xff", 3), (b"W\\xff", 5), (b"V", 1)):
        work = Path(os.fsdecode(os.fsencode(folder / "scans" / "P") + b"/" + name))
        make(work, *(f"{number}.jpg" for number in range(images)))
    (tree,) = lurge("gather", "-s", "scanned", "scans", status=3)["trees"]
    assert "shown as W\\xff" in tree["problems"][0]
    assert works_in("scanned") == {("P", "V"): 1}


def test_a_tree_may_have_a_path_that_is_no_text(folder: Path) -> None:
    make(Path(os.fsdecode(b"sc\xff")) / "P" / "W", "a.jpg", "b.jpg")
    lurge("gather", "-s", "scanned", os.fsdecode(b"sc\xff"))
    (row,) = lurge("show", "W")["rows"]
    assert (row["images"], row["bytes"]) == (2, 10)


def test_a_configured_tree_keeps_its_host(folder: Path) -> None:
    make(folder / "scans" / "P" / "W", "1.jpg")
    tree = f'[[works.trees]]\nstate = "scanned"\npath = "{folder}//scans/"\n'
    (folder / "lurge.toml").write_text(tree)
    lurge("gather", "-s", "scanned")
    database = sqlite3.connect(folder / "out" / "lurge.db")
    database.execute("update process_hosts set process_host = 'another'")
    database.commit()
    database.close()
    lurge("gather")
    assert [row["host"] for row in lurge("show", "W")["rows"]] == ["another"]


def test_a_backlog_is_loaded_once_and_its_bad_lines_are_kept(folder: Path) -> None:
    (folder / "b.csv").write_bytes(
        b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode()
        + b'2024-01-01,h,"P, Q",W1,01-31-2020,SCANNED,5\r\n2024-02-30,h,P,W1,,scanned,5\r\n'
        b"2024-01-01,h,P,W1,,scanned,-1\r\n2024-01-01,h,P,W\0,,scanned,1\r\n\xff,h,P,W1,,scanned,1\r\n\r\n"
    )  # fmt: skip
    (tree,) = lurge("load", "b.csv", status=3)["trees"]
    assert (tree["works"], tree["images"], tree["problem_count"]) == (1, 5, 4)
    (rejects,) = (folder / "out" / "works-rejects").glob("b.csv.*.rejects.csv")
    assert rejects.read_bytes().count(b"\n") == 4
    (folder / "again.csv").write_bytes((folder / "b.csv").read_bytes())
    (tree,) = lurge("load", "again.csv")["trees"]
    assert tree["known"]
    (row,) = lurge("show", "W1")["rows"]
    assert (row["project"], row["state"], row["create_date"], row["observations"]) == (
        "P, Q",
        "scanned",
        "2020-01-31",
        1,
    )


def test_a_backlog_may_have_a_name_of_any_bytes_and_length(folder: Path) -> None:
    lines = HEADER + "2024-01-01,h,P,W1,,scanned,5\nbad\n"
    for name in (b"b\xff.csv", b"n" * 251 + b".csv"):
        Path(os.fsdecode(name)).write_text(lines)
        (tree,) = lurge("load", os.fsdecode(name), status=3)["trees"]
        assert tree["problem_count"] == 1
        lines += "2024-01-02,h,P,W1,,scanned,5\n"
    assert len(list((folder / "out" / "works-rejects").iterdir())) == 2
    done = run_lurge("works", "load", "none.csv")
    assert (done.returncode, "cannot read none.csv" in done.stdout) == (1, True)


def test_a_work_that_is_no_text_is_found_by_its_name(folder: Path) -> None:
    make(Path(os.fsdecode(b"scans/P\xff/W\xff")), "a.jpg")
    lurge("gather", "-s", "scanned", "scans")
    assert [row["images"] for row in lurge("show", os.fsdecode(b"W\xff"))["rows"]] == [1]
    assert len(lurge("list", "--by", "work", "--project", os.fsdecode(b"P\xff"))["rows"]) == 1


def test_a_backlog_with_other_columns_is_refused_whole(folder: Path) -> None:
    (folder / "b.csv").write_text("a,b\n1,2\n")
    lurge("load", "b.csv", status=1)


def test_objects_move_to_done_or_failed_and_a_run_that_died_is_taken_up(folder: Path, endpoint: str) -> None:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="works")
    line = "2024-01-01,h,P,W1,,scanned,5\n"
    client.put_object(Bucket="works", Key="in/good.csv", Body=(HEADER + line).encode())
    client.put_object(Bucket="works", Key="in/bad.csv", Body=b"what,is,this\n")
    # Left by a run that died after the copy, and by one that died after the load.
    client.put_object(Bucket="works", Key="processing/inprocess/in/left.csv", Body=(HEADER + line * 2).encode())
    (folder / "lurge.toml").write_text(f'[split.s3]\nbucket = "other"\nendpoint_url = "{endpoint}"\n')
    lurge("load", "s3://works/in/", status=3)
    client.put_object(Bucket="works", Key="processing/inprocess/in/good.csv", Body=(HEADER + line).encode())
    (again,) = lurge("load", "s3://works/in/")["trees"]
    assert again["known"]
    stored = {item["Key"] for item in client.list_objects_v2(Bucket="works")["Contents"]}
    assert stored == {
        "processing/done/in/good.csv", "processing/done/in/left.csv", "processing/failed/in/bad.csv",
        "processing/failed/in/bad.csv.reasons.txt",
    }  # fmt: skip
    assert works_in("scanned") == {("P", "W1"): 5}


def die_while_loading(address: str, at: int) -> None:
    """Load a prefix, and be killed before the given request to S3."""
    import botocore.client

    from lurge.config import load_config
    from lurge.pipeline.works_s3 import run_load_s3
    from lurge.store.database import Database

    requests, real = count(1), botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def asked(*arguments: Any) -> Any:
        if next(requests) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    botocore.client.BaseClient._make_api_call = asked  # type: ignore[attr-defined]
    config = load_config(None)
    run_load_s3(config, Database(config.database), [address])
    os._exit(0)


def test_a_load_killed_between_any_two_requests_is_taken_up(folder: Path, endpoint: str) -> None:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="killed")
    (folder / "lurge.toml").write_text(f'[split.s3]\nbucket = "other"\nendpoint_url = "{endpoint}"\n')
    for at in count(1):
        for number in range(2):
            text = f"{HEADER}2024-01-01,h,P,W{at}-{number},,scanned,5\nno line\n"
            client.put_object(Bucket="killed", Key=f"in/{at}-{number}.csv", Body=text.encode())
        if not was_killed(die_while_loading, "s3://killed/in/", at):
            break
        assert run_lurge("works", "load", "s3://killed/in/", "-q").returncode in (0, 3)
    assert at > 8
    stored = {item["Key"] for item in client.list_objects_v2(Bucket="killed")["Contents"]}
    stored = {name for name in stored if not name.endswith(".reasons.txt")}
    names = [f"{run}-{number}.csv" for run in range(1, at + 1) for number in range(2)]
    assert stored == {f"processing/done/in/{name}" for name in names}
    # The reasons of a load that died after its commit are here only.
    assert len(list((folder / "out" / "works-rejects").iterdir())) == len(names)
    assert works_in("scanned") == {("P", f"W{name.removesuffix('.csv')}"): 5 for name in names}
    connection = sqlite3.connect(folder / "out" / "lurge.db")
    assert connection.execute("select count(*) from works_loaded").fetchone() == (len(names),)
    assert connection.execute("select max(obs_count), min(obs_count) from process_work_states").fetchone() == (1, 1)
    connection.close()


def test_an_option_file_names_the_database_and_its_password_stays_in_it(folder: Path) -> None:
    (folder / "my.cnf").write_text("password=hunter2\n[client]\n")
    done = run_lurge("works", "list", "-d", "client:my.cnf")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr
