"""Questions: what is answered, what is read for it, and what is refused."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import fs, parquet

from lurge.errors import LakeError, UsageError
from lurge.model.lake import By
from lurge.store.lake import read
from lurge.store.lake.query import Limits, after, questions
from lurge.store.lake.usage import difference, usage
from tests.integration.test_commands import example
from tests.inventories import CHANGED, COLUMNS, FIRST, ask, lake, load, row, write_inventory
from tests.site import run_lurge

WIDE = (
    *COLUMNS,
    "EncryptionStatus",
    "ReplicationStatus",
    "ObjectOwner",
    "ObjectAccessControlList",
    "IsMultipartUploaded",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_rows() -> list[dict[str, Any]]:
    """Objects of some teams with everything that usage tells."""
    acl = base64.b64encode(b'{"grants":[{"uri":"http://acs.amazonaws.com/groups/global/AllUsers"}]}').decode()
    rows = []
    for number in range(200):
        marker = number % 10 == 9
        rows.append(row(
            f"team{number % 3}/p{number % 5}/f{number}" if number % 7 else f"top{number}",
            None if marker else number, VersionId=f"v{number}", IsLatest=number % 4 != 0, IsDeleteMarker=marker,
            LastModifiedDate=FIRST - timedelta(days=number * 20), EncryptionStatus=("NOT-SSE", "SSE-S3")[number % 2],
            StorageClass=None if marker else "AB"[number % 2],
            ReplicationStatus=("", "COMPLETED", "REPLICA")[number % 3],
            ObjectOwner=f"o{number % 2}", ObjectAccessControlList=(acl, "", "not base64!")[number % 3],
            IsMultipartUploaded=number % 5 == 0,
        ))  # fmt: skip
    return rows


def test_usage_is_that_of_a_plain_count(folder: Path) -> None:
    rows = made_rows()
    write_inventory(folder, [[row("old", 10**6)]], FIRST - timedelta(days=1), WIDE)
    write_inventory(folder, [rows[:99], rows[99:]], columns=WIDE)
    load("reports")
    names = {
        By.PREFIX: lambda one: one["Key"].split("/")[0] if "/" in one["Key"] else "",
        By.STORAGE_CLASS: lambda one: one["StorageClass"] or "-",
        By.OWNER: lambda one: one["ObjectOwner"],
        By.ENCRYPTION: lambda one: one["EncryptionStatus"],
        By.VERSION: lambda one: (
            "delete marker" if one["IsDeleteMarker"] else "current" if one["IsLatest"] else "noncurrent"
        ),
    }
    for by, name in names.items():
        with questions(lake()) as opened:
            answer = {one[by.value]: one for one in usage(opened, by).to_pylist()}
        expected: dict[str, Counter[str]] = {}
        for one in rows:
            sums = expected.setdefault(name(one), Counter())
            is_object = not one["IsDeleteMarker"]
            sums["bytes"] += one["Size"] or 0
            sums["objects"] += is_object
            sums["delete_markers"] += not is_object
            sums["noncurrent"] += is_object and not one["IsLatest"]
            sums["noncurrent_bytes"] += (one["Size"] or 0) if is_object and not one["IsLatest"] else 0
            sums["multipart"] += is_object and one["IsMultipartUploaded"]
            sums["unencrypted"] += is_object and one["EncryptionStatus"] == "NOT-SSE"
            sums["unreplicated"] += is_object and one["ReplicationStatus"] == ""
            sums["public"] += int(one["VersionId"][1:]) % 3 == 0
        assert answer.keys() == expected.keys()
        for key, sums in expected.items():
            assert {field: answer[key][field] for field in sums} == dict(sums), (by, key)
    with questions(lake()) as opened:
        ages = {one["age"]: one["objects"] for one in usage(opened, By.AGE).to_pylist()}
        deep = {one["prefix"] for one in usage(opened, By.PREFIX, 2).to_pylist()}
    assert ages["under 1 month"] == 2
    assert sum(ages.values()) == 180
    assert "team1/p1" in deep
    assert "" in deep


def test_changes_are_those_between_the_last_inventories_of_two_days(folder: Path) -> None:
    write_inventory(folder, [[row("t/a", 1), row("t/b", 2), row("u/c", 4)]])
    write_inventory(folder, [[row("t/a", 1), row("t/b", 8, ETag="new"), row("u/d", 16)]], FIRST + timedelta(days=1))
    write_inventory(folder, [[row("t/a", 1)]], FIRST + timedelta(days=5))
    load("reports")
    with questions(lake()) as opened:
        changed = {one.pop("prefix"): one for one in difference(opened, FIRST.date(), date(2024, 1, 4)).to_pylist()}
        assert changed == {
            "t": {"bucket": "archive", "added": 0, "added_bytes": 0, "removed": 0, "removed_bytes": 0, "changed": 1,
                  "bytes": 6},
            "u": {"bucket": "archive", "added": 1, "added_bytes": 16, "removed": 1, "removed_bytes": 4, "changed": 0,
                  "bytes": 12},
        }  # fmt: skip
        with pytest.raises(UsageError):
            difference(opened, date(2024, 1, 4), date(2024, 1, 4))


def test_an_older_state_has_no_later_inventory(folder: Path) -> None:
    for day, size in enumerate((1, 2, 4)):
        write_inventory(folder, [[row("a", size)]], FIRST + timedelta(days=day))
    load("reports")
    for until, expected, newest in ((None, 7, 4), (date(2024, 1, 2), 3, 2)):
        with questions(lake(), until) as opened:
            for view, value in (("objects", expected), ("latest", newest)):
                assert opened.ask(f"SELECT sum(size)::BIGINT AS n FROM {view}").to_pylist() == [{"n": value}]
    with pytest.raises(LakeError, match="no inventory up to 2023-01-01"), questions(lake(), date(2023, 1, 1)):
        pass


class Reader(io.RawIOBase):
    """A file that is open only while it is read, and counts what is read."""

    def __init__(self, path: Path, counted: Counter[str]) -> None:
        self._path = path
        self._counted = counted
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + (0, self._place, self._path.stat().st_size)[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._place)
            data = file.read(size)
        self._place += len(data)
        self._counted[self._path.name] += len(data)
        return data


def count_reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the bytes that are read of each file of the table."""
    fsspec = pytest.importorskip("fsspec")
    counted: Counter[str] = Counter()

    class Handler(fs.FSSpecHandler):  # type: ignore[misc]
        def open_input_file(self, path: str) -> pa.PythonFile:
            return pa.PythonFile(Reader(Path(path), counted), "r")

    def file_system(table: Any, path: str) -> tuple[Any, str]:
        return fs.PyFileSystem(Handler(fsspec.filesystem("file"))), path.removeprefix("file://")

    monkeypatch.setattr(read, "file_system", file_system)
    return counted


@pytest.mark.parametrize("condition", [
    "key LIKE 'b/%'", "starts_with(key, 'b/')", "key >= 'b/' AND key < 'b0'", "key LIKE 'b/_%' AND size >= 0",
])  # fmt: skip
def test_a_question_of_one_prefix_and_day_reads_only_its_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, condition: str
) -> None:
    monkeypatch.setattr("lurge.pipeline.lake.usable_cores", lambda: 3)
    for day in range(3):
        files = [[row(f"{team}/{number:05}", number) for number in range(2000)] for team in "abc"]
        write_inventory(folder, files, FIRST + timedelta(days=day))
    load("reports")
    counted = count_reads(monkeypatch)
    sql = f"SELECT count(*) AS n, sum(size)::BIGINT AS s FROM objects WHERE dt = DATE '2024-01-02' AND {condition}"
    assert ask(sql) == [{"n": 2000, "s": sum(range(2000))}]
    ((name, read_bytes),) = counted.items()
    (path,) = Path("out/lake").rglob(name)
    assert read_bytes < 2 * path.stat().st_size
    assert "dt=2024-01-02" in str(path)
    assert set(parquet.read_table(path)["key"].to_pylist()) == {f"b/{number:05}" for number in range(2000)}


@pytest.mark.parametrize("sql", [
    "SELECT count(*) FROM objects WHERE key LIKE 'b%' OR key LIKE 'a%'",
    "SELECT count(*) FROM objects WHERE NOT key LIKE 'b%'",
    "SELECT count(*) FROM objects o JOIN objects p USING (key) WHERE o.key LIKE 'b%'",
    "SELECT count(*) FROM (SELECT etag AS key FROM objects) WHERE key LIKE 'a%'",
    "SELECT count(*) FROM objects AS x(key, bucket) WHERE key LIKE 'arch%'",
    "SELECT count(*) FROM objects WHERE key LIKE '%'",
    "SELECT count(*) FROM objects WHERE key LIKE 'b' || '%'",
    "SELECT (SELECT count(*) FROM objects WHERE key LIKE 'b%') + count(*) FROM objects",
    "SELECT count(*) FROM objects WHERE (SELECT bool_or(k LIKE 'b%') FROM (SELECT 'b' AS k))",
    "WITH objects AS (SELECT 'b' AS key UNION ALL SELECT 'a') SELECT count(*) FROM objects WHERE key LIKE 'a%'",
])  # fmt: skip
def test_leaving_files_out_changes_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    write_inventory(folder, [[row(key, 1) for key in ("a", "b", "ba", "c", "b\U0010ffff", "B")]])
    load("reports")
    narrowed = ask(sql)
    monkeypatch.setattr("lurge.store.lake.query.prefix_in", lambda connection, sql: ("", ""))
    assert ask(sql) == narrowed


@pytest.mark.parametrize(("prefix", "following"), [
    ("a", "b"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("\U0010ffff", ""), ("a/", "a0"),
])  # fmt: skip
def test_the_text_after_a_prefix(prefix: str, following: str) -> None:
    assert after(prefix) == following


@pytest.mark.parametrize("sql", [
    "DELETE FROM objects", "CREATE TABLE a AS SELECT 1", "COPY objects TO 'x.csv'", "SELECT 1; SELECT 2", "", "SELECT",
    "ATTACH 'x.db'", "INSTALL httpfs", "SET threads = 1", "SET enable_external_access = true", "PRAGMA version",
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')", "CALL pragma_version()", "SELECT * FROM nothing", "EXPORT DATABASE 'x'",
])  # fmt: skip
def test_what_writes_or_reads_other_files_is_refused(folder: Path, sql: str) -> None:
    write_inventory(folder, [[row("a")]])
    load("reports")
    before = sorted(Path().rglob("*"))
    with pytest.raises(UsageError):
        ask(sql)
    assert sorted(Path().rglob("*")) == before


def test_a_question_is_bounded_in_time_and_memory(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    load("reports")
    endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = 7"
    with pytest.raises(LakeError, match=r"longer than 0\.3 s"), questions(lake(), None, Limits(seconds=0.3)) as opened:
        opened.ask(endless)
    large = "SELECT list(range) FROM range(1000000000)"
    with pytest.raises(LakeError, match="needs more"), questions(lake(), None, Limits("50MB", 60)) as opened:
        opened.ask(large)


def test_commands_answer_in_every_form(folder: Path) -> None:
    write_inventory(folder, [[row("t/a", 10**15), row("t/\x1b[31m", 2)]])
    assert run_lurge("lake", "load", "reports").returncode == 0
    sql = "SELECT key, sum(size) AS bytes, max(lastmodifieddate) AS at FROM objects GROUP BY 1 ORDER BY 2"
    rows = json.loads(run_lurge("lake", "query", sql, "--json").stdout)
    assert [(one["key"], one["bytes"]) for one in rows] == [("t/\x1b[31m", 2), ("t/a", 10**15)]
    assert datetime.fromisoformat(rows[0]["at"]) == CHANGED
    lines = run_lurge("lake", "query", sql, "--csv").stdout.splitlines()
    assert lines[0] == "key,bytes,at"
    assert "\x1b" not in "".join(lines)
    assert run_lurge("lake", "query", sql, "--parquet", "x.parquet").returncode == 0
    assert parquet.read_table("x.parquet").num_rows == 2
    assert "archive" in run_lurge("lake", "usage", "--by", "storageclass").stdout
    assert "archive/daily" in run_lurge("lake", "loads").stdout
    (loaded,) = json.loads(run_lurge("lake", "loads", "--json").stdout)
    assert (loaded["rows"], loaded["bytes"], loaded["source"]) == (2, 10**15 + 2, "archive/daily")
    assert set(json.loads(run_lurge("lake", "show", "--json").stdout)["columns"]) > {"key", "dt"}
    assert "by bucket and dt" in run_lurge("lake", "show").stdout
    assert run_lurge("lake", "clean").stdout == "0 files removed\n"
    assert run_lurge("lake", "query", "DELETE FROM objects").returncode == 2
    assert run_lurge("lake", "query", "SELECT 1", "--json", "--csv").returncode == 2


def test_nothing_loaded_is_told(folder: Path) -> None:
    for command in (["query", "SELECT 1"], ["usage"], ["loads"], ["show"]):
        done = run_lurge("lake", *command)
        assert done.returncode == 1
        assert "nothing was loaded yet" in done.stderr
    assert not Path("out/lake").exists()
    assert datetime.now(UTC)


def test_examples_work(folder: Path) -> None:
    write_inventory(folder, [[row("t/a", 1)]])
    write_inventory(folder, [[row("t/b", 2)]], datetime(2024, 2, 1, 1, tzinfo=UTC))
    for command in ("load", "query", "usage", "diff", "loads", "show", "expire", "clean"):
        words = example(f"lake {command}")
        done = run_lurge(*["reports" if word.startswith("s3://") else word for word in words])
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert done.stdout


def test_of_several_configurations_of_a_bucket_the_newest_counts(folder: Path) -> None:
    write_inventory(folder, [[row("a", 10), row("b", 10)]], config="weekly")
    write_inventory(folder, [[row("a", 10)]], FIRST + timedelta(hours=1), config="daily")
    load("reports")
    with questions(lake()) as opened:
        assert [(one["objects"], one["bytes"]) for one in usage(opened, By.VERSION).to_pylist()] == [(1, 10)]


def test_an_expired_inventory_is_no_state(folder: Path) -> None:
    from lurge.store.lake.tidy import expire

    now = datetime.now(UTC).replace(microsecond=0)
    write_inventory(folder, [[row("a", 10)]], now - timedelta(days=60))
    write_inventory(folder, [[row("a", 10)]], now)
    load("reports")
    expire(lake(), 30)
    with questions(lake()) as opened, pytest.raises(LakeError, match="expired"):
        difference(opened, (now - timedelta(days=50)).date(), now.date())
    with pytest.raises(LakeError, match="expired"), questions(lake(), (now - timedelta(days=40)).date()):
        pass
    assert ask("SELECT is_expired FROM loads ORDER BY time") == [{"is_expired": True}, {"is_expired": False}]


@pytest.mark.parametrize("sql", [
    "SELECT count(*) n, (SELECT count(*) FROM Objects) m FROM objects WHERE key LIKE 'a/%'",
    "SELECT count(*) n, (SELECT count(*) FROM query_table('objects')) m FROM objects WHERE key LIKE 'a/%'",
    "SELECT count(*) n FROM (VALUES ('zz')) t(key) WHERE EXISTS (SELECT 1 FROM objects o WHERE t.key LIKE 'z%')",
    "SELECT count(*) n FROM objects o WHERE o.key LIKE 'a/%'",
    "SELECT " + "+".join(["1"] * 400) + " AS n",
])  # fmt: skip
def test_narrowing_is_left_out_if_it_might_change_an_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    write_inventory(folder, [[row(key) for key in ("a/1", "b/1", "c/1")]])
    load("reports")
    narrowed = ask(sql)
    monkeypatch.setattr("lurge.store.lake.query.prefix_in", lambda connection, sql: ("", ""))
    assert ask(sql) == narrowed


def test_values_of_every_type_are_printed(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    load("reports")
    sql = "SELECT 'nan'::DOUBLE AS x, '\\xFF'::BLOB AS b, true AS t, max(dt) AS d FROM objects"
    assert json.loads(run_lurge("lake", "query", sql, "--json").stdout) == [
        {"x": None, "b": "\\xff", "t": True, "d": "2024-01-01"}
    ]
    assert run_lurge("lake", "query", sql, "--csv").stdout.splitlines()[1] == ",\\xff,true,2024-01-01"
    assert json.loads(run_lurge("lake", "query", "SELECT 1 WHERE false", "--json").stdout) == []
    many = json.loads(run_lurge("lake", "query", "SELECT range AS n FROM range(2500)", "--json").stdout)
    assert [one["n"] for one in many] == list(range(2500))
    assert len(run_lurge("lake", "query", "SELECT range AS n FROM range(2500)", "--csv").stdout.splitlines()) == 2501
