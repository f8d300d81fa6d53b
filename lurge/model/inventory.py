"""Inventories of S3 buckets: their columns, and what a manifest says.

Source: Amazon S3 User Guide, "Amazon S3 Inventory", manifest version 2016-11-30.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa

from lurge.model.lake import Format

TIMESTAMP = pa.timestamp("us", "UTC")
COLUMNS: dict[str, pa.DataType] = {
    "bucket": pa.string(),
    "key": pa.string(),
    "versionid": pa.string(),
    "islatest": pa.bool_(),
    "isdeletemarker": pa.bool_(),
    "size": pa.int64(),
    "lastmodifieddate": TIMESTAMP,
    "etag": pa.string(),
    "storageclass": pa.string(),
    "ismultipartuploaded": pa.bool_(),
    "replicationstatus": pa.string(),
    "encryptionstatus": pa.string(),
    "objectlockretainuntildate": TIMESTAMP,
    "objectlockmode": pa.string(),
    "objectlocklegalholdstatus": pa.string(),
    "intelligenttieringaccesstier": pa.string(),
    "bucketkeystatus": pa.string(),
    "checksumalgorithm": pa.string(),
    "objectowner": pa.string(),
    "objectaccesscontrollist": pa.string(),
    "lifecycleexpirationdate": TIMESTAMP,
}
"""The columns that AWS documents, with their types. Any other column is a string."""

LIST_COLUMNS = tuple(COLUMNS)[:19]
"""The columns of a plain list without a header, in order."""

ENCODED = "key_encoded"
"""The key as the inventory has it, if it is not UTF-8 once decoded; else NULL. `key` shows such bytes as `\\xff`."""

LOAD_COLUMNS: dict[str, pa.DataType] = {
    ENCODED: pa.string(),
    "inventory_source": pa.string(),
    "inventory_time": TIMESTAMP,
    "dt": pa.date32(),
}
"""The columns that a load adds."""


def column_of(name: str) -> str:
    """The column of a field of an inventory: its name in lower case, which is not one of LOAD_COLUMNS.

    ORC and Parquet write `version_id`.
    """
    lower = name.strip().lower()
    bare = lower.replace("_", "")
    if bare in COLUMNS:
        return bare
    return f"{lower}_" if lower in LOAD_COLUMNS else lower


@dataclass(frozen=True)
class DataFile:
    """A file of an inventory. address: a path or an s3:// URL. size: bytes. md5: hexadecimal. None: not told."""

    address: str
    size: int | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Inventory:
    """A list of all objects of a bucket at a time.

    source: bucket and configuration, as `bucket/config`. columns: of CSV files, in order; empty if the file names them.
    content: a hash of the manifest or of the files; empty if nothing tells. is_list: whether it is known by its
    content instead of its time.
    """

    address: str
    source: str
    time: datetime
    format: Format
    columns: tuple[str, ...]
    files: tuple[DataFile, ...]
    content: str
    is_list: bool = False

    @property
    def bucket(self) -> str:
        """The bucket whose objects are listed."""
        return self.source.partition("/")[0]

    @property
    def identity(self) -> str:
        """What an inventory is known by: it is loaded once."""
        return f"{self.source}@{self.content if self.is_list else self.time.astimezone(UTC).isoformat()}"

    @property
    def date(self) -> date:
        """The UTC date."""
        return self.time.astimezone(UTC).date()
