"""Copying to S3, against a server of its own on this machine."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed (lurge[s3])")
moto_server = pytest.importorskip("moto.server", reason="moto is not installed (lurge[services])")

from lurge.config.split import S3Config
from lurge.errors import SplitError
from lurge.export import s3

BUCKET = "treeserve"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "hush-hush"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Any:
    # Servers of one process share what they hold.
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    found = boto3.client("s3", endpoint_url=endpoint)
    found.create_bucket(Bucket=BUCKET)
    yield found
    found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "20240131"
    place.mkdir()
    (place / "team.1.dat.gz").write_bytes(b"one")
    (place / "%2Eé x.dat.gz").write_bytes(b"two")
    (place / "index.txt").write_bytes(b"")
    return place


def there(client: Any) -> dict[str, bytes]:
    return {
        one["Key"]: client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    }


@pytest.mark.parametrize("prefix", ["", "mpistat/new"])
def test_a_sync_makes_the_bucket_equal_to_the_folder(client: Any, endpoint: str, folder: Path, prefix: str) -> None:
    config = S3Config(bucket=BUCKET, prefix=prefix, endpoint_url=endpoint)
    client.put_object(Bucket=BUCKET, Key="else/x", Body=b"stays")
    assert s3.sync(folder, config) == 3
    place = f"{prefix}/20240131/".lstrip("/")
    expected = {place + path.name: path.read_bytes() for path in folder.iterdir()}
    assert there(client) == {**expected, "else/x": b"stays"}
    assert s3.sync(folder, config) == 0
    (folder / "team.1.dat.gz").write_bytes(b"ONE")
    (folder / "index.txt").unlink()
    assert s3.sync(folder, config) == 1
    assert there(client)[place + "team.1.dat.gz"] == b"ONE"
    assert place + "index.txt" not in there(client)


@pytest.mark.parametrize("prefix", ["", "mpistat/new"])
def test_without_a_date_files_go_to_the_prefix_itself(client: Any, endpoint: str, folder: Path, prefix: str) -> None:
    """Where other things lie, too: only what a split publishes is removed."""
    config = S3Config(bucket=BUCKET, prefix=prefix, endpoint_url=endpoint, dated=False)
    place = f"{prefix}/".lstrip("/")
    others = {f"{place}notes.txt": b"n", f"{place}20240130/team.1.dat.gz": b"o", "mpistats.dat.gz": b"p", "m/x": b"q"}
    if not prefix:
        del others["mpistats.dat.gz"]
    gone = {f"{place}gone.dat.gz": b"g", f"{place}passwdfile": b"g"}
    for key, body in {**others, **gone}.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert s3.sync(folder, config) == 3
    assert there(client) == {**{place + path.name: path.read_bytes() for path in folder.iterdir()}, **others}
    (folder / "team.1.dat.gz").unlink()
    assert s3.sync(folder, config) == 0
    assert there(client).keys() == {*others, f"{place}%2Eé x.dat.gz", f"{place}index.txt"}


def test_the_index_never_names_a_file_that_is_not_there(
    client: Any, endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    monkeypatch.setattr(s3, "send", lambda client, bucket, key, *_: sent.append(key))
    s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url=endpoint, dated=False))
    assert sent == ["%2Eé x.dat.gz", "team.1.dat.gz", "index.txt"]


def test_large_files_are_sent_in_parts_and_only_once(
    client: Any, endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    for name, size in (("whole", (5 << 20) - 1), ("exact", 5 << 20), ("parts", (11 << 20) + 1)):
        (folder / name).write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    assert s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url=endpoint)) == 6
    assert there(client)["20240131/parts"] == (folder / "parts").read_bytes()
    assert s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url=endpoint)) == 0


def test_a_checksum_that_differs_fails_the_copy(
    client: Any, endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "digests", lambda path: ("0" * 64, "AAAA"))
    with pytest.raises(SplitError, match="checksum differs"):
        s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url=endpoint))


def test_a_failed_request_is_tried_again(
    client: Any, endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first requests find a server that is overloaded."""
    from botocore.httpsession import URLLib3Session

    original = URLLib3Session.send
    failures = 3

    def send(self: Any, request: Any) -> Any:
        nonlocal failures
        response = original(self, request)
        if failures and request.method == "PUT":
            failures -= 1
            response.status_code = 503
        return response

    monkeypatch.setattr(URLLib3Session, "send", send)
    assert s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url=endpoint)) == 3
    assert failures == 0
    assert len(there(client)) == 3


def test_a_bucket_that_cannot_be_reached_is_named(
    folder: Path, client: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SplitError, match="NoSuchBucket") as caught:
        s3.sync(folder, S3Config(bucket="nowhere", endpoint_url=endpoint))
    assert "hush" not in str(caught.value)
    monkeypatch.setattr(s3, "MAX_ATTEMPTS", 1)
    with pytest.raises(SplitError, match="127.0.0.1:1"):
        s3.sync(folder, S3Config(bucket=BUCKET, endpoint_url="http://127.0.0.1:1"))
