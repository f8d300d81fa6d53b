"""The page of buckets: what the lake holds, and what somebody should look at."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.inventories import FIRST, load, row, write_inventory
from tests.pages.world import app_from, client_of
from tests.site import Site

COLUMNS = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "EncryptionStatus",
           "ReplicationStatus", "StorageClass")  # fmt: skip


@pytest.fixture
def client(site: Site, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    site.dump()
    site.base_directories((10, "/lustre/scratch101/a"))
    site.run("-q", status=None)
    monkeypatch.chdir(site.folder)
    return client_of(app_from(site.config))


def tables(client: TestClient, address: str) -> dict[str, Any]:
    answer = client.get(f"/api{address}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return {**{name: table["rows"] for name, table in found["tables"].items()}, "sentences": found["sentences"]}


def test_without_an_inventory_the_page_says_what_to_do(client: TestClient) -> None:
    page = client.get("/buckets")
    assert page.status_code == 200
    assert "lurge lake load PLACE" in page.text
    assert not Path("out/lake").exists()


def test_buckets_their_prefixes_changes_and_findings(client: TestClient) -> None:
    first = [row("t/a/1", 5, EncryptionStatus="NOT-SSE"), row("t/b/2", 7, EncryptionStatus="SSE-S3")]
    later = [*first, row("u/3", 100, IsLatest=False, EncryptionStatus="SSE-S3", ReplicationStatus="FAILED")]
    write_inventory(Path(), [first], FIRST, COLUMNS)
    write_inventory(Path(), [later], FIRST + timedelta(days=1), COLUMNS)
    write_inventory(Path(), [[row("x", 3)]], FIRST, COLUMNS, bucket="other")
    assert load("reports").exit_status == 0
    found = tables(client, "/buckets")
    assert {one["bucket"]: (one["objects"], one["bytes"], one["noncurrent"]) for one in found["buckets"]} == {
        "archive": (3, 112, 1), "other": (1, 3, 0),
    }  # fmt: skip
    assert found["changes"] == [
        {"bucket": "archive", "prefix": "u", "added": 1, "removed": 0, "changed": 0, "bytes": 100}
    ]
    assert found["sentences"] == [
        "archive: 1 objects are not encrypted.", "archive: old versions take 100 B of 112 B, more than half.",
        "archive: 1 objects could not be replicated.",
    ]  # fmt: skip
    below = tables(client, "/buckets?bucket=archive&prefix=t")
    assert [(one["prefix"], one["bytes"]) for one in below["prefixes"]] == [("t/b", 7), ("t/a", 5)]
    assert [(one["encryption"], one["objects"]) for one in below["encryption"]] == [("SSE-S3", 1), ("NOT-SSE", 1)]
    # What a later load adds is there at once.
    write_inventory(Path(), [[row("t/a/9", 1000)]], FIRST + timedelta(days=2), COLUMNS)
    load("reports")
    assert tables(client, "/buckets?bucket=archive")["buckets"][0]["bytes"] == 1000
    assert client.get("/buckets?bucket=nothing").status_code == 404
    assert client.get("/api/buckets.csv?table=prefixes&bucket=archive").text.splitlines()[1].startswith("archive,t")
