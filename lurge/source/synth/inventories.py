"""Made-up inventories of S3 buckets, as S3 writes them: several days, versions, delete markers, all formats."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, orc, parquet

from lurge.model.inventory import TIMESTAMP, Format

CONFIG, PREFIX, DESTINATION = "daily", "reports", "inventory-destination"
FIRST = datetime(2024, 1, 1, 1, 0, tzinfo=UTC)
CLASSES = ("STANDARD", "STANDARD_IA", "GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING")
SUFFIXES = (".bam", ".cram", ".vcf.gz", ".fastq.gz", ".csv", ".txt", ".tif", "")
FIELDS = (
    "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag", "StorageClass",
    "IsMultipartUploaded", "ReplicationStatus", "EncryptionStatus", "ObjectOwner",
)  # fmt: skip
"""The fields of the inventories, as a manifest of CSV files names them."""

COLUMNAR_NAMES = {
    "VersionId": "version_id", "IsLatest": "is_latest", "IsDeleteMarker": "is_delete_marker",
    "LastModifiedDate": "last_modified_date", "ETag": "e_tag", "StorageClass": "storage_class",
    "IsMultipartUploaded": "is_multipart_uploaded", "ReplicationStatus": "replication_status",
    "EncryptionStatus": "encryption_status", "ObjectOwner": "object_owner",
}  # fmt: skip
TEAMS, PROJECTS = 12, 40
SHARE_OF_VERSIONS, SHARE_OF_MARKERS, SHARE_OF_ODD_KEYS = 0.12, 0.02, 0.01
NEW_A_DAY, GONE_A_DAY = 0.01, 0.004
LARGEST = 1 << 33


@dataclass(frozen=True)
class Buckets:
    """The inventories to make. objects: of each bucket on the first day. files: data files of an inventory."""

    names: Sequence[str] = ("archive-bucket",)
    objects: int = 10_000
    days: int = 3
    files: int = 4
    format: Format = Format.CSV
    seed: int = 0


def write_inventories(target: Path, buckets: Buckets) -> list[Path]:
    """Write inventories below a directory; returns their manifests, the oldest first."""
    manifests = []
    for number, name in enumerate(buckets.names):
        rng = np.random.default_rng([buckets.seed, number])
        rows = made_rows(rng, name, buckets.objects, buckets.days)
        born = rng.random(len(rows)) < NEW_A_DAY * buckets.days
        birth = np.where(born, rng.integers(0, max(buckets.days, 1), len(rows)), 0)
        death = np.where(
            rng.random(len(rows)) < GONE_A_DAY * buckets.days, rng.integers(1, buckets.days + 1, len(rows)), 1 << 30
        )
        for day in range(buckets.days):
            present = rows.filter(pa.array((birth <= day) & (day < death)))
            manifests.append(write_inventory(target, name, FIRST + timedelta(day), present, buckets))
    return sorted(manifests, key=lambda path: (path.parent.name, str(path)))


def made_rows(rng: np.random.Generator, bucket: str, objects: int, days: int) -> pa.Table:
    """The rows of a bucket, sorted by key; the versions of a key follow each other, the latest first."""
    count = max(1, int(objects / (1 + SHARE_OF_VERSIONS)))
    team, project = rng.integers(0, TEAMS, count), rng.integers(0, PROJECTS, count)
    suffixes = pa.array(SUFFIXES).take(pa.array(rng.integers(0, len(SUFFIXES), count)))
    odd = pc.if_else(pa.array(rng.random(count) < SHARE_OF_ODD_KEYS), " 100% +é", "")
    digits = [pc.cast(pa.array(part), pa.string()) for part in (team, project, np.arange(count) + 10**9)]
    keys = pc.binary_join_element_wise("team", digits[0], "/project=", digits[1], "/run", digits[2], odd, suffixes, "")
    keys = keys.take(pc.sort_indices(keys))
    again = np.sort(np.concatenate([np.arange(count), rng.integers(0, count, objects - count)]))
    is_latest = np.concatenate([[True], again[1:] != again[:-1]])
    rows = len(again)
    marker = rng.random(rows) < SHARE_OF_MARKERS
    sizes = np.minimum(np.exp(rng.normal(13, 3, rows)), LARGEST).astype(np.int64)
    age = rng.integers(0, 4 * 365 * 86400, rows)
    modified = np.datetime64(int((FIRST - timedelta(1)).timestamp()), "s") - age.astype("timedelta64[s]")
    tags = pc.cast(pa.array(rng.integers(1 << 59, 1 << 62, rows)), pa.string())

    def chosen(values: Sequence[Any], shares: Sequence[float]) -> pa.Array:
        return pa.array(values).take(pa.array(rng.choice(len(values), rows, p=shares)))

    none = pa.scalar(None, pa.string())
    gone = pa.array(marker)
    return pa.table({
        "Bucket": pa.repeat(bucket, rows),
        "Key": keys.take(pa.array(again)),
        "VersionId": pc.binary_join_element_wise("v", tags, ""),
        "IsLatest": pa.array(is_latest),
        "IsDeleteMarker": gone,
        "Size": pc.if_else(gone, pa.scalar(None, pa.int64()), pa.array(sizes)),
        "LastModifiedDate": pa.array(modified).cast(TIMESTAMP),
        "ETag": pc.if_else(gone, none, tags),
        "StorageClass": pc.if_else(gone, none, chosen(CLASSES, (0.6, 0.2, 0.1, 0.05, 0.05))),
        "IsMultipartUploaded": pa.array(sizes > 8 << 20),
        "ReplicationStatus": chosen(("", "COMPLETED", "FAILED"), (0.7, 0.29, 0.01)),
        "EncryptionStatus": chosen(("SSE-S3", "SSE-KMS", "NOT-SSE"), (0.8, 0.15, 0.05)),
        "ObjectOwner": pc.binary_join_element_wise("owner", pc.cast(pa.array(team[again]), pa.string()), ""),
    })  # fmt: skip


def write_inventory(target: Path, bucket: str, time: datetime, rows: pa.Table, buckets: Buckets) -> Path:
    """Write one inventory: data files, manifest, checksum, and the partition of Hive."""
    config = target / PREFIX / bucket / CONFIG
    folder = config / f"{time:%Y-%m-%dT%H-%MZ}"
    hive = config / "hive" / f"dt={time:%Y-%m-%d-%H-%M}"
    for made in (config / "data", folder, hive):
        made.mkdir(parents=True, exist_ok=True)
    files = []
    each = max(1, -(-len(rows) // buckets.files))
    for number, first in enumerate(range(0, len(rows), each)):
        content = content_of(rows.slice(first, each), buckets.format)
        ending = "csv.gz" if buckets.format is Format.CSV else buckets.format.lower()
        name = f"{hashlib.sha256(f'{bucket} {time} {number}'.encode()).hexdigest()[:32]}.{ending}"
        (config / "data" / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        files.append({"key": f"{PREFIX}/{bucket}/{CONFIG}/data/{name}", "size": len(content), "MD5checksum": digest})
    manifest = {
        "sourceBucket": bucket, "destinationBucket": f"arn:aws:s3:::{DESTINATION}", "version": "2016-11-30",
        "creationTimestamp": str(int(time.timestamp() * 1000)), "fileFormat": buckets.format.value,
        "fileSchema": ", ".join(FIELDS), "files": files,
    }  # fmt: skip
    text = json.dumps(manifest, indent=2).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.checksum").write_text(hashlib.md5(text, usedforsecurity=False).hexdigest() + "\n")
    (hive / "symlink.txt").write_text("".join(f"s3://{DESTINATION}/{file['key']}\n" for file in files))
    return folder / "manifest.json"


def content_of(rows: pa.Table, file_format: Format) -> bytes:
    """The content of a data file."""
    buffer = io.BytesIO()
    if file_format is Format.CSV:
        columns = [as_csv(name, rows[name]) for name in rows.column_names]
        options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
        csv.write_csv(pa.table(columns, rows.column_names), buffer, options)
        return gzip.compress(buffer.getvalue(), 1, mtime=0)
    named = rows.rename_columns([COLUMNAR_NAMES.get(name, name.lower()) for name in rows.column_names])
    if file_format is Format.PARQUET:
        parquet.write_table(named, buffer)
    else:
        orc.write_table(named, buffer)
    return buffer.getvalue()


def as_csv(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as the text of CSV: every field is quoted, keys are encoded."""
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column.cast(pa.timestamp("ms", "UTC")), "%Y-%m-%dT%H:%M:%SZ")
    text = pc.fill_null(column.cast(pa.string()), "")
    if name == "Key":
        for character, code in (("%", "%25"), (" ", "%20"), ("é", "%C3%A9"), ("=", "%3D")):
            text = pc.replace_substring(text, character, code)
    return text
