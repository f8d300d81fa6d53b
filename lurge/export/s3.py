"""Copying a folder to S3, so that what is there is what is here: every file compared by its SHA-256."""

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
"""Larger files travel in parts, each of which the server checks."""

MOST_TRIES = 8
SHA256 = "sha256"

log = logging.getLogger(__name__)


def sync(folder: Path, config: S3Config) -> int:
    """Make `bucket/prefix/<name of the folder>/` equal to the folder; returns how many files had to be sent.

    With config.dated off, make `bucket/prefix/` so, except that only files that a split publishes are removed there.
    The index is sent after the files that it names, and before those that it does not name any more are removed.
    Credentials are boto3's: its environment variables or files. Raises SplitError.
    """
    retries = ClientConfig(retries={"max_attempts": MOST_TRIES, "mode": "standard"})
    place = "".join(f"{part}/" for part in (config.prefix, folder.name if config.dated else "") if part)
    try:
        client = boto3.client("s3", endpoint_url=config.endpoint_url, config=retries)
        there = {one["Key"]: one["Size"] for one in objects(client, config.bucket, place, deep=config.dated)}
        sent = 0
        keys = set()
        files = (path for path in folder.iterdir() if path.is_file())
        for path in sorted(files, key=lambda path: (path.name == INDEX, path.name)):
            key = place + path.name
            keys.add(key)
            whole, parts = digests(path)
            if there.get(key) == path.stat().st_size and stored_digest(client, config.bucket, key) == whole:
                continue
            send(client, config.bucket, key, path, whole, parts)
            sent += 1
        for key in sorted(there.keys() - keys):
            if config.dated or is_published_name(key.removeprefix(place)):
                client.delete_object(Bucket=config.bucket, Key=key)
    except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError) as error:
        raise SplitError(f"cannot copy {folder} to s3://{config.bucket}/{place}: {error}") from error
    return sent


def objects(client: Any, bucket: str, prefix: str, deep: bool) -> Iterator[dict[str, Any]]:
    """The objects whose keys begin with `prefix`; deep: also those with a slash after it."""
    delimiter = {} if deep else {"Delimiter": "/"}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **delimiter):
        yield from page.get("Contents", ())


def digests(path: Path) -> tuple[str, str]:
    """The SHA-256 of a file in hexadecimal, and what S3 keeps: in base64, and of several parts that of theirs."""
    whole = hashlib.sha256()
    parts = []
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            whole.update(part)
            parts.append(hashlib.sha256(part).digest())
    if path.stat().st_size < PART_BYTES:
        return whole.hexdigest(), base64.b64encode(whole.digest()).decode()
    return whole.hexdigest(), base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def stored_digest(client: Any, bucket: str, key: str) -> str | None:
    """The SHA-256 that was noted with an object."""
    found = client.head_object(Bucket=bucket, Key=key)["Metadata"].get(SHA256)
    return str(found) if found else None


def send(client: Any, bucket: str, key: str, path: Path, whole: str, parts: str) -> None:
    """Send a file. Raises SplitError where the server has another checksum of it."""
    transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    options = {"ChecksumAlgorithm": "SHA256", "Metadata": {SHA256: whole}}
    client.upload_file(str(path), bucket, key, ExtraArgs=options, Config=transfer)
    found = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    # Some servers add how many parts there were, some keep no checksum at all.
    kept = found.get("ChecksumSHA256", "").partition("-")[0]
    good = kept == parts if kept else read_back(client, bucket, key) == whole
    if not good or found["ContentLength"] != path.stat().st_size:
        raise SplitError(f"s3://{bucket}/{key} is not what was sent: its checksum differs", "Run `lurge split` again.")
    log.debug("sent %s", key)


def read_back(client: Any, bucket: str, key: str) -> str:
    """The SHA-256 of an object, in hexadecimal."""
    found = hashlib.sha256()
    for piece in client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(PART_BYTES):
        found.update(piece)
    return found.hexdigest()
