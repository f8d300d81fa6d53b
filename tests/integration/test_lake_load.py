"""Loading inventories: every form in which they come, and what is wrong with them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from lurge.config import load_config
from lurge.errors import LakeError, LurgeError
from lurge.pipeline.lake import Kind
from lurge.store.lake.loads import all_loads
from lurge.store.lake.tidy import clean
from tests.inventories import BUCKET, COLUMNS, FIRST, ask, keys, lake, load, row, write_inventory, write_manifest

ODD_KEYS = [
    "a b", "a+b", "100%", "a%20b", "line\nbreak", "tab\tquote\"", "é/ü", "\u202ereversed", "x" * 1024, "/leading",
    "a//b", "folder/", "..", "%ff",
]  # fmt: skip
FORMATS = ["CSV", "ORC", "Parquet"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file_format", FORMATS)
def test_rows_are_as_they_were(folder: Path, file_format: str) -> None:
    rows = [row(key, size) for size, key in enumerate(ODD_KEYS)]
    rows.append(row("gone", None, IsDeleteMarker=True, ETag=None, StorageClass=None))
    write_inventory(folder, [rows[:5], rows[5:]], file_format=file_format)
    (loaded,) = load("reports").loads
    assert loaded.load
    assert loaded.load.rows == len(rows)
    assert loaded.load.bytes == sum(one["Size"] or 0 for one in rows)
    assert (loaded.load.current, loaded.load.delete_markers) == (len(rows) - 1, 1)
    names = [name.lower() for name in COLUMNS]
    stored = ask(f"SELECT {', '.join(names)} FROM objects ORDER BY size NULLS LAST")
    assert stored == [dict(zip(names, (one[name] for name in COLUMNS), strict=True)) for one in rows]
    assert ask("SELECT DISTINCT inventory_source, inventory_time, dt, key_encoded FROM objects") == [
        {"inventory_source": "archive/daily", "inventory_time": FIRST, "dt": FIRST.date(), "key_encoded": None}
    ]


def test_keys_that_are_not_utf8_are_kept(folder: Path) -> None:
    text = f'"{BUCKET}","a%FF%41","1"\n"{BUCKET}","b%2Bc+d","2"\n'
    write_inventory(folder, [gzip.compress(text.encode())], columns=("Bucket", "Key", "Size"))
    load("reports")
    assert ask("SELECT key, key_encoded FROM objects ORDER BY size") == [
        {"key": "a\\xffA", "key_encoded": "a%FF%41"}, {"key": "b+c+d", "key_encoded": None},
    ]  # fmt: skip


def test_what_was_loaded_is_not_loaded_again(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    load("reports")
    (again,) = load("reports").loads
    assert (again.is_known, again.load) == (True, None)
    (forced,) = load("reports", force=True).loads
    assert forced.load
    assert keys() == ["a"]


def test_force_replaces_exactly_its_rows(folder: Path) -> None:
    write_inventory(folder, [[row("a"), row("b")]])
    write_inventory(folder, [[row("c")]], FIRST + timedelta(hours=2))
    write_inventory(folder, [[row("d")]], bucket="other", config="weekly")
    load("reports")
    manifest = write_inventory(folder, [[row("e", 7)]])
    refused = load("reports")
    assert "changed since it was loaded" in str([one.failed for one in refused.loads])
    assert refused.exit_status == 3
    load(manifest, force=True)
    assert keys() == ["c", "d", "e"]
    assert all_loads(lake(), lake().table())["archive/daily@2024-01-01T01:00:00+00:00"].bytes == 7


def test_years_of_manifests_of_different_configurations_read_as_one(folder: Path) -> None:
    write_inventory(folder, [[row("a", 1)]], columns=("Bucket", "Key", "Size"))
    later = FIRST + timedelta(days=365)
    rows = [row("b", 2, Shiny="new", ObjectOwner="me")]
    write_inventory(folder, [rows], later, ("Shiny", "Size", "Key", "Bucket", "ObjectOwner"), "Parquet")
    newest = FIRST + timedelta(days=730)
    write_inventory(folder, [[row("c", 3, Shiny="old")]], newest, ("Key", "Shiny", "Bucket", "ETag"), "ORC")
    loads = [one.load for one in load("reports").loads]
    assert [one.new_columns for one in loads if one] == [(), ("shiny",), ()]
    assert loads[2]
    assert "size" in loads[2].missing_columns
    assert ask("SELECT key, size, shiny, objectowner, etag FROM objects ORDER BY key") == [
        {"key": "a", "size": 1, "shiny": None, "objectowner": None, "etag": None},
        {"key": "b", "size": 2, "shiny": "new", "objectowner": "me", "etag": None},
        {"key": "c", "size": None, "shiny": "old", "objectowner": None, "etag": "abc"},
    ]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int16(), pa.string(), pa.float64()])
def test_another_type_is_widened_where_it_is_exact(folder: Path, kind: pa.DataType) -> None:
    values = pa.table({"bucket": [BUCKET], "key": ["a"], "size": pa.array([7]).cast(kind), "is_latest": ["true"]})
    parquet.write_table(values, folder / "a.parquet")
    write_inventory(folder, [(folder / "a.parquet").read_bytes()], file_format="Parquet")
    load("reports")
    assert ask("SELECT size, islatest FROM objects") == [{"size": 7, "islatest": True}]


def test_a_type_that_cannot_be_read_names_column_and_file(folder: Path) -> None:
    values = pa.table({"bucket": [BUCKET], "key": ["a"], "size": [[1, 2]]})
    parquet.write_table(values, folder / "a.parquet")
    write_inventory(folder, [(folder / "a.parquet").read_bytes()], file_format="Parquet")
    (loaded,) = load("reports").loads
    assert loaded.failed
    assert "the column size has the type" in loaded.failed.message
    assert "202401010100-0.parquet" in loaded.failed.message


def test_rows_that_cannot_be_parsed_are_counted_and_fail_above_a_share(folder: Path) -> None:
    good = [f'"{BUCKET}","k{number}","{number}"' for number in range(500)]
    bad = [f'"{BUCKET}","x","many"', f'"{BUCKET}","y"', f'"{BUCKET}","","1"', f'"{BUCKET}","z","-1"']
    text = "\n".join([*good[:250], *bad, *good[250:], ""]).encode()
    write_inventory(folder, [text], columns=("Bucket", "Key", "Size"))
    (loaded,) = load("reports").loads
    assert loaded.load
    assert (loaded.load.rows, loaded.load.rejected) == (500, 4)
    assert "size is 'many'" in " ".join(loaded.rejects)
    write_inventory(folder, ["\n".join([*good[:50], *bad]).encode()], FIRST + timedelta(1), ("Bucket", "Key", "Size"))
    failed = load("reports").loads[1].failed
    assert failed
    assert "4 of 54 rows cannot be parsed" in failed.message
    assert len(keys()) == 500


Damage = Callable[[Path, Path, dict[str, Any]], None]


def shorten(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    data.write_bytes(data.read_bytes()[:-9])


def shorten_and_agree(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    """The manifest tells of the short file: only its compression knows."""
    data.write_bytes(data.read_bytes()[:-9])
    text = data.read_bytes()
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    content["files"][1] |= {"size": len(text), "MD5checksum": digest}
    write_manifest(manifest, content)


def flip(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    text = bytearray(data.read_bytes())
    text[4] ^= 1
    data.write_bytes(bytes(text))


def remove_file(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    data.unlink()


def forbid(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    data.unlink()
    data.symlink_to(data)


def lie_about_size(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    content["files"][1]["size"] += 1
    write_manifest(manifest, content)


def lie_about_checksum(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    manifest.with_name("manifest.checksum").write_text("0" * 32)


def remove_checksum(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    manifest.with_name("manifest.checksum").unlink()


def change_manifest(data: Path, manifest: Path, content: dict[str, Any]) -> None:
    manifest.write_text(manifest.read_text() + " ")


@pytest.mark.parametrize("damage", [
    shorten, shorten_and_agree, flip, remove_file, forbid, lie_about_size, lie_about_checksum, remove_checksum,
    change_manifest,
])  # fmt: skip
def test_a_damaged_inventory_changes_nothing(folder: Path, damage: Damage) -> None:
    write_inventory(folder, [[row("old")]])
    load("reports")
    before = lake().table().metadata_location
    rows = [row(f"k{number}", number) for number in range(3000)]
    later = FIRST + timedelta(days=1)
    manifest = write_inventory(folder, [rows[:1000], rows[1000:2000], rows[2000:]], later)
    content = json.loads(manifest.read_text())
    data = folder / content["files"][1]["key"]
    damage(data, manifest, content)
    outcome = load("reports")
    assert outcome.exit_status == 3
    (failed,) = (one for one in outcome.loads if one.failed)
    assert failed.failed
    place = data if damage not in (lie_about_checksum, remove_checksum, change_manifest) else manifest.parent
    assert place.name in failed.failed.message
    assert lake().table().metadata_location == before
    assert keys() == ["old"]
    assert [path for path in clean(lake()) if path.endswith(".parquet")] == []


@pytest.mark.parametrize("change", [
    {"version": "1"}, {"fileFormat": "XML"}, {"creationTimestamp": "soon"}, {"creationTimestamp": "9" * 30},
    {"sourceBucket": "../x"}, {"sourceBucket": 5}, {"files": None}, {"files": [{"key": "/etc/passwd"}]},
    {"files": [{"key": "a/../../b", "size": 1, "MD5checksum": "0" * 32}]}, {"fileSchema": "Key, key"},
    {"files": [{"key": "a", "size": -1, "MD5checksum": "0" * 32}]},
    {"files": [{"key": "a", "size": 1, "MD5checksum": "0"}]},
])  # fmt: skip
def test_a_malformed_manifest_is_named(folder: Path, change: dict[str, Any]) -> None:
    manifest = write_inventory(folder, [[row("a")]])
    write_manifest(manifest, {**json.loads(manifest.read_text()), **change})
    (loaded,) = load("reports").loads
    assert loaded.failed
    assert str(manifest.relative_to(folder)) in loaded.failed.message


def test_an_empty_bucket_is_loaded(folder: Path) -> None:
    write_inventory(folder, [])
    (loaded,) = load("reports").loads
    assert loaded.load
    assert loaded.load.rows == 0
    assert load("reports").loads[0].is_known
    assert ask("SELECT count(*) AS n FROM objects") == [{"n": 0}]


NINETEEN = [BUCKET, "a b+c", "v1", "true", "false", "5", "2023-01-02T03:04:05.000Z", "e", "STANDARD", "false",
            "", "SSE-S3", "", "", "", "", "", "", "owner"]  # fmt: skip


def test_a_plain_list_has_nineteen_columns(folder: Path) -> None:
    (folder / "list.csv").write_text(",".join(f'"{value}"' for value in NINETEEN) + "\n")
    load("list.csv", kind=Kind.LIST)
    (stored,) = ask("SELECT bucket, key, size, islatest, objectowner, inventory_source FROM objects")
    assert list(stored.values()) == [BUCKET, "a b+c", 5, True, "owner", "archive/list"]
    shutil.copy(folder / "list.csv", folder / "copy.csv")
    assert load("copy.csv", kind=Kind.LIST).loads[0].is_known


def test_a_header_of_a_list_is_used_and_other_columns_must_be_named(folder: Path) -> None:
    (folder / "a.csv").write_text("Size,Key,Bucket\n5,k1,b1\n6,k2,b2\n")
    load("a.csv", kind=Kind.LIST, time=FIRST)
    assert ask("SELECT bucket, key, size, dt FROM objects ORDER BY size") == [
        {"bucket": "b1", "key": "k1", "size": 5, "dt": FIRST.date()},
        {"bucket": "b2", "key": "k2", "size": 6, "dt": FIRST.date()},
    ]
    (folder / "b.csv").write_text("b3,k3\n")
    (failed,) = load("b.csv", kind=Kind.LIST).loads
    assert failed.failed
    assert "2 columns without a header" in failed.failed.message
    load("b.csv", kind=Kind.LIST, columns=("bucket", "key"))
    (folder / "c.csv").write_text("Bucket,Key,Size\nb4,k4,7\n")
    load("c.csv", kind=Kind.LIST, columns=("bucket", "key", "etag"))
    assert ask("SELECT key, size FROM objects WHERE bucket = 'b4'") == [{"key": "k4", "size": 7}]
    assert ask("SELECT count(*) AS n FROM objects WHERE bucket = 'Bucket'") == [{"n": 0}]
    assert ask("SELECT key FROM objects WHERE bucket = 'b3'") == [{"key": "k3"}]


def test_partitions_of_hive_are_loaded_once_with_or_without_their_manifest(folder: Path) -> None:
    manifest = write_inventory(folder, [[row("a")]])
    name = json.loads(manifest.read_text())["files"][0]["key"]
    hive = folder / "reports" / BUCKET / "daily" / "hive" / "dt=2024-01-01-01-00"
    hive.mkdir(parents=True)
    (hive / "symlink.txt").write_text(f"s3://destination/{name}\n")
    load("reports")
    assert load("reports", kind=Kind.HIVE).loads[0].is_known
    shutil.rmtree(manifest.parent)
    shutil.rmtree(folder / "out")
    (loaded,) = load(hive.parent, kind=Kind.HIVE, columns=tuple(COLUMNS)).loads
    assert loaded.load
    assert (loaded.load.source, keys()) == ("archive/daily", ["a"])


def test_a_place_without_inventories_is_told_and_does_not_stop_others(folder: Path) -> None:
    (folder / "empty").mkdir()
    write_inventory(folder, [[row("a")]])
    outcome = load("empty", "nowhere", "reports")
    problems = [str(one.failed.message) if one.failed else "" for one in outcome.loads]
    assert ["no inventory is there" in problems[0], "nowhere" in problems[1], problems[2]] == [True, True, ""]
    assert (outcome.exit_status, keys()) == (3, ["a"])
    assert load("empty").exit_status == 1
    with pytest.raises(LakeError, match="no place to search"):
        load()


def test_inventories_in_s3_are_streamed_from_configured_sources(folder: Path, endpoint: str) -> None:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="destination")
    for number, file_format in enumerate(FORMATS):
        write_inventory(folder, [[row(file_format)]], FIRST + timedelta(number), file_format=file_format)
    for place, _, names in os.walk(folder / "reports"):
        for name in names:
            path = Path(place) / name
            client.upload_file(str(path), "destination", str(path.relative_to(folder)))
    shutil.rmtree(folder / "reports")
    (folder / "lurge.toml").write_text(
        f'[[lake.sources]]\nprefix = "s3://destination/reports"\nendpoint_url = "{endpoint}"\n'
    )
    assert load().exit_status == 0
    assert keys() == sorted(FORMATS)
    client.delete_object(Bucket="destination", Key="reports/archive/daily/data/202401010100-0.csv.gz")
    outcome = load("s3://destination/reports", force=True)
    assert [bool(one.failed) for one in outcome.loads] == [True, False, False]
    assert keys() == sorted(FORMATS)


def test_a_time_of_milliseconds_is_the_time_of_the_inventory(folder: Path) -> None:
    time = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)
    write_inventory(folder, [[row("a")]], time)
    assert load("reports").loads[0].identity == "archive/daily@2024-02-29T23:59:00+00:00"


def test_rows_of_another_bucket_are_rejected(folder: Path) -> None:
    text = "".join(f'"{bucket}","k{n}","1"\n' for n, bucket in enumerate([BUCKET] * 200 + ["other"]))
    write_inventory(folder, [text.encode()], columns=("Bucket", "Key", "Size"))
    (loaded,) = load("reports").loads
    assert loaded.load
    assert (loaded.load.rows, loaded.load.rejected) == (200, 1)
    assert "the bucket is 'other'" in loaded.rejects[0]


@pytest.mark.parametrize("blank", ["", " "])
def test_a_value_that_does_not_fit_loses_no_row_of_a_large_file(folder: Path, blank: str) -> None:
    lines = [f'"{BUCKET}","k{n:07}","{blank if n < 500 else ""}{n}"' for n in range(300_000)]
    lines[200_000] = f'"{BUCKET}","bad","x"'
    write_inventory(folder, ["\n".join(lines).encode()], columns=("Bucket", "Key", "Size"))
    (loaded,) = load("reports").loads
    assert loaded.load
    assert (loaded.load.rows, loaded.load.rejected) == (299_999, 1)
    expected = sum(range(300_000)) - 200_000
    assert ask("SELECT count(DISTINCT key) AS n, sum(size)::BIGINT AS s FROM objects") == [
        {"n": 299_999, "s": expected}
    ]


def test_a_quote_that_is_not_closed_fails_the_load(folder: Path) -> None:
    lines = [f"{BUCKET},k{n},1" for n in range(10_000)]
    lines[5000] = f'{BUCKET},"stray,1'
    write_inventory(folder, ["\n".join(lines).encode()], columns=("Bucket", "Key", "Size"))
    (loaded,) = load("reports").loads
    assert loaded.failed
    assert "rows cannot be parsed" in loaded.failed.message


def test_lists_with_one_source_and_time_are_refused(folder: Path) -> None:
    for name in "ab":
        (folder / f"{name}.csv").write_text(f"bucket,key\nb,{name}\n")
    load("a.csv", kind=Kind.LIST, time=FIRST)
    (refused,) = load("b.csv", kind=Kind.LIST, time=FIRST).loads
    assert refused.failed
    assert "has the same source and time" in refused.failed.message
    load("b.csv", kind=Kind.LIST, time=FIRST, name="other")
    load("a.csv", kind=Kind.LIST, time=FIRST, force=True)
    assert keys() == ["a", "b"]


def test_a_load_that_fails_adds_no_column(folder: Path) -> None:
    text = f'"{BUCKET}","a","1","x"\n"{BUCKET}","b","many","y"\n'
    write_inventory(folder, [text.encode()], columns=("Bucket", "Key", "Size", "My.Tag"))
    assert load("reports").exit_status == 1
    assert "my.tag" not in lake().table().schema().column_names
    write_inventory(folder, [text.replace("many", "2").encode()], columns=("Bucket", "Key", "Size", "My.Tag"))
    assert load("reports").exit_status == 0
    assert ask('SELECT max("my.tag") AS t FROM objects') == [{"t": "y"}]


def test_columns_with_names_of_ours_get_others(folder: Path) -> None:
    rows = [row("a", 1, dt="when", Inventory_Source="who", Key_Encoded="what")]
    write_inventory(folder, [rows], columns=("Bucket", "Key", "Size", "dt", "Inventory_Source", "Key_Encoded"))
    load("reports")
    assert ask("SELECT dt_, inventory_source_, key_encoded_, inventory_source, key_encoded FROM objects") == [
        {"dt_": "when", "inventory_source_": "who", "key_encoded_": "what", "inventory_source": "archive/daily",
         "key_encoded": None}
    ]  # fmt: skip


def test_unknown_columns_of_any_type_are_texts(folder: Path) -> None:
    values = pa.table({
        "bucket": [BUCKET] * 2, "key": ["a", "b"], "size": [1, 2], "parts": [[1, 2], None],
        "raw": [b"\xff", b"x"], "number": [1.5, None],
    })  # fmt: skip
    parquet.write_table(values, folder / "a.parquet")
    write_inventory(folder, [(folder / "a.parquet").read_bytes()], file_format="Parquet")
    load("reports")
    assert ask("SELECT parts, raw, number FROM objects ORDER BY key") == [
        {"parts": "[1, 2]", "raw": "\\xff", "number": "1.5"}, {"parts": None, "raw": "x", "number": None},
    ]  # fmt: skip


def test_texts_of_parquet_that_are_not_utf8_are_rejected_rows(folder: Path) -> None:
    bad = pa.array([b"\xff\xfe"] + [b"ok"] * 199).cast(pa.binary()).view(pa.string())
    values = pa.table({"bucket": [BUCKET] * 200, "key": [f"k{n}" for n in range(200)], "e_tag": bad})
    parquet.write_table(values, folder / "a.parquet")
    write_inventory(folder, [(folder / "a.parquet").read_bytes()], file_format="Parquet")
    (loaded,) = load("reports").loads
    assert loaded.load
    assert (loaded.load.rows, loaded.load.rejected) == (199, 1)


def test_keys_that_s3_does_not_have_are_rejected(folder: Path) -> None:
    lines = [f'"{BUCKET}","{"z" * 5000 if n == 7 else f"k{n}"}","1"' for n in range(200)]
    write_inventory(folder, ["\n".join(lines).encode()], columns=("Bucket", "Key", "Size"))
    (loaded,) = load("reports").loads
    assert loaded.load
    assert (loaded.load.rows, loaded.load.rejected) == (199, 1)


def test_no_file_outside_the_copied_tree_is_read(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text(f'"{BUCKET}","secret","1"\n')
    hive = folder / "in" / BUCKET / "daily" / "hive" / "dt=2024-01-01-01-00"
    hive.mkdir(parents=True)
    (hive / "symlink.txt").write_text(f"s3://x{outside}/secret.csv\n")
    (loaded,) = load("in", kind=Kind.HIVE, columns=("bucket", "key", "size")).loads
    assert loaded.failed
    assert "is not there" in loaded.failed.message


def test_the_data_may_be_copied_with_the_configuration_alone(folder: Path) -> None:
    manifest = write_inventory(folder, [[row("a")]])
    shutil.move(manifest.parent.parent, folder / "copy")
    assert load("copy").exit_status == 0
    assert keys() == ["a"]


@pytest.mark.parametrize("name", ["objects/x", "../x", "", "a b", "x_loads"])
def test_a_table_has_a_plain_name(folder: Path, name: str) -> None:
    from lurge.pipeline.lake import Wanted, run_load

    write_inventory(folder, [[row("a")]])
    with pytest.raises(LurgeError, match="is not a name of a table"):
        run_load(load_config(None, optional=True), Wanted(("reports",)), name)
