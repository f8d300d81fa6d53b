"""Made-up inventories of S3 buckets, as S3 writes them: several days, versions, delete markers, all formats."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, orc, parquet

from lurge.model.inventory import TIMESTAMP
from lurge.model.lake import Format
from lurge.source.deflate import deflating

CONFIG, PREFIX, DESTINATION = "daily", "reports", "inventory-destination"
HOUR, FIRST_GROUP = time(1), 15001
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
FIRST_RUN = 10**9


CONFIGURATION = """\
# Made up by lurge synth --buckets
[reports]
directory = "out"

[dumps]
directory = "dumps"
volumes = [{volumes}]
max_days_ago = 100000

[[lake.sources]]
prefix = "inventories"
"""


@dataclass(frozen=True)
class Buckets:
    """The inventories to make.

    objects: of each bucket on the first day. newest: the last day. formats: buckets take turns. files: data files of
    an inventory.
    """

    count: int = 1
    objects: int = 10_000
    days: int = 1
    newest: date = date(2024, 1, 31)
    formats: Sequence[Format] = (Format.CSV,)
    seed: int = 1
    files: int = 4

    @property
    def names(self) -> list[str]:
        """The names of the buckets."""
        return [f"archive{number}" for number in range(1, self.count + 1)]


def make_buckets(folder: Path, buckets: Buckets) -> Iterator[tuple[Path, int]]:
    """Make inventories, a folder for dumps and `lurge.toml`; yields each manifest and its rows. Raises OSError."""
    (folder / "dumps").mkdir(parents=True, exist_ok=True)
    yield from write_inventories(folder / "inventories", buckets)
    volumes = ", ".join(f'{{ name = "{name}", inventory = "{name}" }}' for name in buckets.names)
    owners = "".join(
        f'\n[[lake.owners]]\nprefix = "{name}/team{team}"\ngid = {FIRST_GROUP + team}\n'
        for name in buckets.names
        for team in range(0, TEAMS, 2)
    )
    (folder / "lurge.toml").write_text(CONFIGURATION.format(volumes=volumes) + owners, encoding="utf-8")


def write_inventories(target: Path, buckets: Buckets) -> Iterator[tuple[Path, int]]:
    """Write the inventories of all buckets and days; yields each manifest and its rows."""
    for number, name in enumerate(buckets.names):
        rng = np.random.default_rng([buckets.seed, number])
        file_format = buckets.formats[number % len(buckets.formats)]
        first = datetime.combine(buckets.newest, HOUR, UTC) - timedelta(buckets.days - 1)
        rows = made_rows(rng, name, buckets.objects, first - timedelta(1))
        if file_format is Format.CSV:
            rows = pa.table([as_csv(column, rows[column]) for column in rows.column_names], rows.column_names)
        count = len(rows)
        is_new = rng.random(count) < NEW_A_DAY * (buckets.days - 1)
        birth = np.where(is_new, rng.integers(1, max(buckets.days, 2), count), 0)
        goes = rng.random(count) < GONE_A_DAY * (buckets.days - 1)
        death = np.where(goes, rng.integers(1, max(buckets.days, 2), count), buckets.days)
        for day in range(buckets.days):
            present = rows.filter(pa.array((birth <= day) & (day < death)))
            path = write_inventory(target, name, first + timedelta(day), present, file_format, buckets.files)
            yield path, len(present)


def made_rows(rng: np.random.Generator, bucket: str, objects: int, newest: datetime) -> pa.Table:
    """The rows of a bucket, sorted by key; the versions of a key follow each other, the latest first.

    newest: the last time of a change.
    """
    count = max(1, int(objects / (1 + SHARE_OF_VERSIONS)))
    team, project = rng.integers(0, TEAMS, count), rng.integers(0, PROJECTS, count)
    # In the order of the texts, so that the keys need not be sorted.
    order = np.argsort(place_of(TEAMS)[team] * PROJECTS + place_of(PROJECTS)[project], kind="stable")
    team, project = team[order], project[order]
    suffixes = pa.array(SUFFIXES).take(pa.array(rng.integers(0, len(SUFFIXES), count)))
    odd = pc.if_else(pa.array(rng.random(count) < SHARE_OF_ODD_KEYS), " 100% +é", "")
    folders = pa.array([f"team{one}/project={other}/run" for one in range(TEAMS) for other in range(PROJECTS)])
    numbers = pc.cast(pa.array(order + FIRST_RUN), pa.string())
    keys = pc.binary_join_element_wise(folders.take(pa.array(team * PROJECTS + project)), numbers, odd, suffixes, "")
    again = np.sort(np.concatenate([np.arange(count), rng.integers(0, count, objects - count)]))
    is_latest = np.concatenate([[True], again[1:] != again[:-1]])
    rows = len(again)
    marker = rng.random(rows) < SHARE_OF_MARKERS
    sizes = np.minimum(np.exp(rng.normal(13, 3, rows)), LARGEST).astype(np.int64)
    age = rng.integers(0, 4 * 365 * 86400, rows)
    modified = np.datetime64(int(newest.timestamp()), "s") - age.astype("timedelta64[s]")
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


def place_of(count: int) -> Any:
    """The places of the numbers below `count` in the order of their texts followed by a slash."""
    places = np.empty(count, np.int64)
    places[sorted(range(count), key=lambda number: f"{number}/")] = np.arange(count)
    return places


def write_inventory(
    target: Path, bucket: str, at: datetime, rows: pa.Table, file_format: Format, count: int = 4
) -> Path:
    """Write one inventory: data files, manifest, checksum, and the partition of Hive. Returns the manifest."""
    config = target / PREFIX / bucket / CONFIG
    folder = config / f"{at:%Y-%m-%dT%H-%MZ}"
    hive = config / "hive" / f"dt={at:%Y-%m-%d-%H-%M}"
    for made in (config / "data", folder, hive):
        made.mkdir(parents=True, exist_ok=True)
    each = max(1, -(-len(rows) // count))
    ending = "csv.gz" if file_format is Format.CSV else file_format.lower()

    def write(part: int) -> dict[str, Any]:
        content = content_of(rows.slice(part * each, each), file_format)
        name = f"{hashlib.sha256(f'{bucket} {at} {part}'.encode()).hexdigest()[:32]}.{ending}"
        (config / "data" / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return {"key": f"{PREFIX}/{bucket}/{CONFIG}/data/{name}", "size": len(content), "MD5checksum": digest}

    with ThreadPoolExecutor() as pool:
        files = list(pool.map(write, range(-(-len(rows) // each))))
    manifest = {
        "sourceBucket": bucket, "destinationBucket": f"arn:aws:s3:::{DESTINATION}", "version": "2016-11-30",
        "creationTimestamp": str(int(at.timestamp() * 1000)), "fileFormat": file_format.value,
        "fileSchema": ", ".join(FIELDS), "files": files,
    }  # fmt: skip
    text = json.dumps(manifest, indent=2).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.checksum").write_text(hashlib.md5(text, usedforsecurity=False).hexdigest() + "\n")
    (hive / "symlink.txt").write_text("".join(f"s3://{DESTINATION}/{file['key']}\n" for file in files))
    return folder / "manifest.json"


def content_of(rows: pa.Table, file_format: Format) -> bytes:
    """The content of a data file. rows: for CSV, as text."""
    buffer = io.BytesIO()
    if file_format is Format.CSV:
        csv.write_csv(rows, buffer, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
        packer = deflating()
        return bytes(packer.compress(buffer.getbuffer())) + bytes(packer.flush())
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
