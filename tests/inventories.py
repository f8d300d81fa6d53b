"""Inventories made by hand: rows of texts, in any format, with any columns."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import orc, parquet

from lurge.config import load_config
from lurge.config.lake import LakeConfig
from lurge.pipeline.lake import LakeOutcome, Wanted, run_load
from lurge.store.lake.catalog import Lake
from lurge.store.lake.query import questions

FIRST = datetime(2024, 1, 1, 1, tzinfo=UTC)
CHANGED = datetime(2023, 5, 6, 7, 8, 9, tzinfo=UTC)
BUCKET = "archive"
COLUMNS = (
    "Bucket",
    "Key",
    "VersionId",
    "IsLatest",
    "IsDeleteMarker",
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
)
TYPES = {
    "Size": pa.int64(), "IsLatest": pa.bool_(), "IsDeleteMarker": pa.bool_(),
    "LastModifiedDate": pa.timestamp("ms", "UTC"),
}  # fmt: skip
Row = Mapping[str, Any]


def row(key: str, size: int | None = 1, **others: Any) -> dict[str, Any]:
    """A row of an inventory."""
    usual = {"Bucket": BUCKET, "Key": key, "VersionId": "v1", "IsLatest": True, "IsDeleteMarker": False, "Size": size,
             "LastModifiedDate": CHANGED, "ETag": "abc", "StorageClass": "STANDARD"}  # fmt: skip
    return {**usual, **others}


def as_text(name: str, value: Any) -> str:
    """A value as CSV of S3 has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return quote(str(value), safe="/") if name == "Key" else str(value)


def content_of(rows: Sequence[Row], columns: Sequence[str], file_format: str) -> bytes:
    """A data file."""
    if file_format == "CSV":
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([as_text(name, one.get(name)) for name in columns] for one in rows)
        return gzip.compress(text.getvalue().encode())
    arrays = {name: pa.array([one.get(name) for one in rows], TYPES.get(name, pa.string())) for name in columns}
    buffer = io.BytesIO()
    (parquet if file_format == "Parquet" else orc).write_table(pa.table(arrays), buffer)
    return buffer.getvalue()


def write_inventory(
    place: Path, files: Sequence[Sequence[Row] | bytes], time: datetime = FIRST, columns: Sequence[str] = COLUMNS,
    file_format: str = "CSV", bucket: str = BUCKET, config: str = "daily", **changes: Any,
) -> Path:  # fmt: skip
    """Write an inventory below `place/reports`; returns its manifest. files: rows, or the content. changes: to it."""
    base = place / "reports" / bucket / config
    folder = base / f"{time:%Y-%m-%dT%H-%MZ}"
    for made in (base / "data", folder):
        made.mkdir(parents=True, exist_ok=True)
    ending = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}[file_format]
    listed = []
    for number, rows in enumerate(files):
        if isinstance(rows, bytes):
            content = rows
        else:
            content = content_of([{**one, "Bucket": bucket} for one in rows], columns, file_format)
        name = f"{time:%Y%m%d%H%M}-{number}.{ending}"
        (base / "data" / name).write_bytes(content)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        listed.append({"key": f"reports/{bucket}/{config}/data/{name}", "size": len(content), "MD5checksum": digest})
    manifest = {
        "sourceBucket": bucket, "destinationBucket": "arn:aws:s3:::destination", "version": "2016-11-30",
        "creationTimestamp": str(int(time.timestamp() * 1000)), "fileFormat": file_format,
        "fileSchema": ", ".join(columns), "files": listed, **changes,
    }  # fmt: skip
    return write_manifest(folder / "manifest.json", manifest)


def write_manifest(path: Path, manifest: Any) -> Path:
    """Write a manifest, and its checksum beside it."""
    text = json.dumps(manifest).encode()
    path.write_bytes(text)
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    path.with_name("manifest.checksum").write_text(f"{digest}\n")
    return path


def load(*places: object, **options: Any) -> LakeOutcome:
    """Load places by the configuration of the working directory."""
    return run_load(load_config(None, optional=True), Wanted(tuple(map(str, places)), **options), "objects")


def lake() -> Lake:
    """The lake of the working directory."""
    config: LakeConfig = load_config(None, optional=True).lake
    return Lake(config)


def ask(sql: str) -> list[dict[str, Any]]:
    """The rows of an answer."""
    with questions(lake()) as opened:
        rows: list[dict[str, Any]] = opened.ask(sql).to_pylist()
        return rows


def keys() -> list[str]:
    """The keys of all rows, sorted."""
    return [one["key"] for one in ask("SELECT key FROM objects ORDER BY key, dt")]
