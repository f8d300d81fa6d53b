"""The lake in every catalog and file system: one suite, every implementation. Another engine reads what is written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lurge.config.lake import LakeConfig
from lurge.errors import LakeError, UsageError
from lurge.store.lake.catalog import Lake
from lurge.store.lake.loads import all_loads
from lurge.store.lake.s3_tables import drop_table, export_table, parse_arn
from lurge.store.lake.tidy import clean, expire
from tests.inventories import FIRST, ask, keys, lake, load, row, write_inventory
from tests.services.postgresql import PostgreSql

ARN = "arn:aws:s3tables:us-east-1:123456789012:bucket/inventories"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql", "s3", "s3 without a catalog"])
def configured(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A folder whose lurge.toml names a catalog and a warehouse."""
    text = ""
    if request.param in ("postgresql", "s3"):
        server: PostgreSql = request.getfixturevalue("postgres")
        text = f'[lake.catalog]\ntype = "sql"\nuri = "{server.new_database("lake_test")}"\n'
    if request.param.startswith("s3"):
        endpoint: str = request.getfixturevalue("endpoint")
        pytest.importorskip("boto3").client("s3", endpoint_url=endpoint).create_bucket(Bucket="warehouse")
        text = f'[lake]\nwarehouse = "s3://warehouse/lake"\nendpoint_url = "{endpoint}"\n' + text
    (folder / "lurge.toml").write_text(text)
    return folder


def test_loads_are_whole_once_and_expire(configured: Path) -> None:
    write_inventory(configured, [[row("a", 1)], [row("b", 2)]])
    write_inventory(
        configured, [[row("c", 4, Extra="x")]], FIRST + timedelta(days=1), ("Bucket", "Key", "Size", "Extra")
    )
    assert load(configured / "reports").exit_status == 0
    assert all(one.is_known for one in load(configured / "reports").loads)
    assert keys() == ["a", "b", "c"]
    assert ask("SELECT sum(size)::BIGINT AS n, max(extra) AS e FROM objects") == [{"n": 7, "e": "x"}]
    load(configured / "reports", force=True)
    assert keys() == ["a", "b", "c"]
    clean(lake())
    assert keys() == ["a", "b", "c"]
    assert expire(lake(), 1)[0] == 3
    clean(lake())
    assert keys() == []
    assert sorted(one.bytes for one in all_loads(lake(), lake().table()).values()) == [3, 4]


def test_another_engine_reads_the_same(configured: Path) -> None:
    daft = pytest.importorskip("daft", reason="daft is not installed (lurge[services])")
    rows = [row(f"team/é {number}", number, ETag=None if number % 2 else "tag") for number in range(1000)]
    write_inventory(configured, [rows[:600], rows[600:]])
    write_inventory(
        configured, [[row("new", 5, Extra="x")]], FIRST + timedelta(days=1), ("Bucket", "Key", "Size", "Extra")
    )
    load(configured / "reports")
    config = None
    if not lake().is_local:
        config = daft.io.IOConfig(s3=daft.io.S3Config(
            endpoint_url=lake().config.endpoint_url, key_id="test", access_key="test", region_name="us-east-1",
        ))  # fmt: skip
    read = daft.read_iceberg(lake().table(), io_config=config).sort(["dt", "key"]).to_pylist()
    own = ask("SELECT * FROM objects ORDER BY dt, key")
    names = list(own[0])
    assert len(own) == 1001
    assert [{name: one[name] for name in names} for one in read] == own


def test_a_catalog_of_rest_gets_its_properties(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    class Catalog:
        def __init__(self, name: str, **properties: str) -> None:
            seen.update(properties)

    monkeypatch.setattr("pyiceberg.catalog.rest.RestCatalog", Catalog)
    config = LakeConfig(
        warehouse="s3://bucket/lake", endpoint_url="http://127.0.0.1:1",
        catalog={"type": "rest", "uri": "http://127.0.0.1:8181", "token": "t"},
    )  # fmt: skip
    assert isinstance(Lake(config).catalog, Catalog)
    assert seen["uri"] == "http://127.0.0.1:8181"
    assert (seen["warehouse"], seen["s3.endpoint"], seen["token"]) == ("s3://bucket/lake", "http://127.0.0.1:1", "t")


def test_a_catalog_that_is_away_is_an_error_of_ours(folder: Path) -> None:
    config = LakeConfig(catalog={"type": "sql", "uri": "postgresql+psycopg://u@127.0.0.1:1/none"})
    with pytest.raises(LakeError):
        Lake(config).table()


def test_a_table_goes_into_a_table_bucket_and_is_dropped(folder: Path, endpoint: str) -> None:
    boto3 = pytest.importorskip("boto3")
    (folder / "lurge.toml").write_text(f'[lake]\nendpoint_url = "{endpoint}"\n')
    write_inventory(folder, [[row("a", 1), row("b", 2)]])
    load("reports")
    client = boto3.client("s3tables", endpoint_url=endpoint)
    for expected in (2, 3):
        table = export_table(lake(), ARN)
        stored = client.get_table(tableBucketARN=ARN, namespace="inventory", name="objects")
        from pyiceberg.table import StaticTable

        copy = StaticTable.from_metadata(stored["metadataLocation"], {"s3.endpoint": endpoint})
        rows = copy.scan().to_arrow()
        assert (len(rows), sum(rows["size"].to_pylist())) == (expected, sum(range(expected + 1)))
        assert [field.name for field in copy.spec().fields] == ["bucket", "dt"]
        write_inventory(folder, [[row("c", 3)]], FIRST + timedelta(days=1))
        load("reports")
    drop_table(lake(), table)
    assert client.list_tables(tableBucketARN=ARN)["tables"] == []
    with pytest.raises(LakeError, match="no such table"):
        drop_table(lake(), ARN)


@pytest.mark.parametrize("arn", ["", "inventories", "arn:aws:s3:::bucket", f"{ARN}/x", f"{ARN}\n"])
def test_another_arn_is_refused(arn: str) -> None:
    with pytest.raises(UsageError):
        parse_arn(arn)
