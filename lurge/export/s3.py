"""Synchronizing a folder to S3. Every file is compared by its SHA-256."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from lurge.config.split import S3Config
from lurge.errors import SplitError
from lurge.export.groups import INDEX, is_published_name

PART_BYTES = 64 << 20
"""Size of a part. Larger files are uploaded in several parts, each of which the server checks."""

MAX_ATTEMPTS = 8
SHA256 = "sha256"

log = logging.getLogger(__name__)


def sync(folder: Path, config: S3Config) -> int:
    """Make `bucket/prefix/<name of the folder>/` equal to the folder. Returns the number of files that were sent.

    If config.dated is off, the target is `bucket/prefix/`, and only files that a split publishes are removed from it.
    The index is sent after all files that it names. Files that it no longer names are removed after that. Credentials
    are boto3's own (environment variables or files). Raises SplitError.
    """
    retries = ClientConfig(retries={"max_attempts": MAX_ATTEMPTS, "mode": "standard"})
    place = "".join(f"{part}/" for part in (config.prefix, folder.name if config.dated else "") if part)
    try:
        client = boto3.client("s3", endpoint_url=config.endpoint_url, config=retries)
        sizes = {item["Key"]: item["Size"] for item in objects(client, config.bucket, place, deep=config.dated)}
        sent = 0
        keys = set()
        files = (path for path in folder.iterdir() if path.is_file())
        for path in sorted(files, key=lambda path: (path.name == INDEX, path.name)):
            key = place + path.name
            keys.add(key)
            digest, checksum = digests(path)
            if sizes.get(key) == path.stat().st_size and stored_digest(client, config.bucket, key) == digest:
                continue
            send(client, config.bucket, key, path, digest, checksum)
            sent += 1
        for key in sorted(sizes.keys() - keys):
            if config.dated or is_published_name(key.removeprefix(place)):
                client.delete_object(Bucket=config.bucket, Key=key)
    except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError) as error:
        raise SplitError(f"cannot copy {folder} to s3://{config.bucket}/{place}: {error}") from error
    return sent


def objects(client: Any, bucket: str, prefix: str, deep: bool) -> Iterator[dict[str, Any]]:
    """The objects whose keys begin with `prefix`. deep: include keys with a slash after the prefix."""
    delimiter = {} if deep else {"Delimiter": "/"}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **delimiter):
        yield from page.get("Contents", ())


def digests(path: Path) -> tuple[str, str]:
    """The SHA-256 of a file in hexadecimal, and the checksum that S3 stores, in base64.

    For a file of several parts, S3 stores the SHA-256 of the concatenated SHA-256 digests of its parts.
    """
    digest = hashlib.sha256()
    parts = []
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            digest.update(part)
            parts.append(hashlib.sha256(part).digest())
    if path.stat().st_size < PART_BYTES:
        return digest.hexdigest(), base64.b64encode(digest.digest()).decode()
    return digest.hexdigest(), base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def stored_digest(client: Any, bucket: str, key: str) -> str | None:
    """The SHA-256 in the metadata of an object, in hexadecimal; None if it has none."""
    digest = client.head_object(Bucket=bucket, Key=key)["Metadata"].get(SHA256)
    return str(digest) if digest else None


def send(client: Any, bucket: str, key: str, path: Path, digest: str, checksum: str) -> None:
    """Send a file. Raises SplitError if the server's checksum of it differs. digest, checksum: as from `digests`."""
    transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    options = {"ChecksumAlgorithm": "SHA256", "Metadata": {SHA256: digest}}
    client.upload_file(str(path), bucket, key, ExtraArgs=options, Config=transfer)
    head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    # Some servers append the number of parts, and some store no checksum at all.
    stored = head.get("ChecksumSHA256", "").partition("-")[0]
    is_equal = stored == checksum if stored else read_back(client, bucket, key) == digest
    if not is_equal or head["ContentLength"] != path.stat().st_size:
        raise SplitError(
            f"s3://{bucket}/{key} is not the file that was sent: its checksum differs", "Run `lurge split` again."
        )
    log.debug("sent %s", key)


def read_back(client: Any, bucket: str, key: str) -> str:
    """The SHA-256 of an object, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(PART_BYTES):
        digest.update(piece)
    return digest.hexdigest()
