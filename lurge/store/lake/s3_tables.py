"""Tables in S3 table buckets, through boto3's `s3tables`: pyiceberg alone reaches them only at a REST endpoint.

A table's files are copied to the place that the service names, as an Iceberg table of its own; then the service is told
the place of the metadata, with the token of the version that was replaced. Whoever wins, the table is whole.
"""

from __future__ import annotations

import re
import tempfile
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lurge.errors import LakeError, UsageError
from lurge.store.lake.catalog import NAMESPACE, PROPERTIES, Lake, told

if TYPE_CHECKING:
    from pyiceberg.table import Table

ARN = re.compile(
    r"(?P<bucket>arn:[\w-]+:s3tables:(?P<region>[\w-]*):(?P<account>\d*):bucket/(?P<name>[a-z0-9.-]{3,63}))"
    r"(?:/table/(?P<table>[\w.-]+))?",
    re.ASCII,
)
COPY_BYTES = 8 << 20
IO = "lurge.store.lake.object_io.ObjectIO"
"""The class by its name, as pyiceberg wants it."""


@dataclass(frozen=True)
class Place:
    """A table bucket, and the number or the name of a table in it if the ARN has one."""

    bucket: str
    region: str
    name: str
    table: str | None


def parse_arn(text: str) -> Place:
    """The place of an ARN of a table bucket, or of a table in one. Raises UsageError."""
    match = ARN.fullmatch(text)
    if not match:
        raise UsageError(
            f"{text}: not the ARN of a table bucket or of a table in one",
            "It looks like arn:aws:s3tables:REGION:ACCOUNT:bucket/NAME.",
        )
    return Place(match["bucket"], match["region"], match["name"], match["table"])


def client_of(lake: Lake, place: Place) -> Any:
    """A client of the service. Raises LakeError."""
    try:
        import boto3
    except ImportError as error:
        raise LakeError(f"{place.bucket}: {error}", "Install lurge[s3].") from error
    return boto3.client("s3tables", endpoint_url=lake.config.endpoint_url, region_name=place.region or None)


def export_table(lake: Lake, arn: str) -> str:
    """Copy the table as it is now into a table bucket, instead of what is there; returns the ARN of the table there.

    The table bucket, the namespace and the table are made if they are missing. Raises LakeError, UsageError.
    """
    place = parse_arn(arn)
    source = lake.table()
    client = client_of(lake, place)
    with told(arn):
        names = {bucket["name"] for bucket in pages(client, "list_table_buckets", "tableBuckets")}
        bucket = place.bucket if place.name in names else client.create_table_bucket(name=place.name)["arn"]
        own = {"tableBucketARN": bucket, "namespace": NAMESPACE, "name": lake.name}
        with suppress(client.exceptions.ConflictException):
            client.create_namespace(tableBucketARN=bucket, namespace=[NAMESPACE])
        with suppress(client.exceptions.ConflictException):
            client.create_table(**own, format="ICEBERG")
        table = client.get_table(**own)
        metadata = copy_table(lake, source, table["warehouseLocation"].rstrip("/"))
        client.update_table_metadata_location(**own, versionToken=table["versionToken"], metadataLocation=metadata)
        return str(table["tableARN"])


def drop_table(lake: Lake, arn: str) -> None:
    """Delete a table from a table bucket: the one of the ARN, or the one that `export_table` makes there.

    Raises LakeError, UsageError.
    """
    place = parse_arn(arn)
    client = client_of(lake, place)
    with told(arn):
        for table in pages(client, "list_tables", "tables", tableBucketARN=place.bucket):
            is_own = table["namespace"] == [NAMESPACE] and table["name"] == lake.name
            # The service ends its ARNs with a number, others with the name.
            is_named = table.get("tableARN") == arn or place.table == table["name"]
            if is_named or (place.table is None and is_own):
                own = {"tableBucketARN": place.bucket, "namespace": table["namespace"][0], "name": table["name"]}
                client.delete_table(**own)
                return
    raise LakeError(f"{arn}: there is no such table", "`aws s3tables list-tables` lists the tables of a bucket.")


def pages(client: Any, operation: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    """Every entry of a list."""
    token: dict[str, str] = {}
    found: list[dict[str, Any]] = []
    while True:
        answer = getattr(client, operation)(**arguments, **token)
        found += answer.get(key, ())
        if not answer.get("continuationToken"):
            return found
        token = {"continuationToken": answer["continuationToken"]}


def copy_table(lake: Lake, source: Table, location: str) -> str:
    """Copy the files of the newest snapshot below a location, as an Iceberg table; returns its metadata's place."""
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.expressions import AlwaysTrue

    run = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="lurge-lake-") as folder:
        properties = {"uri": f"sqlite:///{Path(folder) / 'catalog.db'}", "warehouse": location, "py-io-impl": IO}
        if lake.config.endpoint_url:
            properties["s3.endpoint"] = lake.config.endpoint_url
        catalog = SqlCatalog("copy", **properties)
        catalog.create_namespace(NAMESPACE)
        # Numbers of fields are given anew: the files are found by the names of their columns.
        table = catalog.create_table(
            (NAMESPACE, lake.name),
            source.schema(),
            f"{location}/{run}",
            sort_order=source.sort_order(),
            properties=PROPERTIES,
        )
        with table.update_spec() as update:
            for field in source.spec().fields:
                update.add_identity(field.name)
        paths = []
        for number, task in enumerate(source.scan(AlwaysTrue()).plan_files()):
            target = f"{location}/{run}/data/{number:06}.parquet"
            with source.io.new_input(task.file.file_path).open() as old, table.io.new_output(target).create() as new:
                while piece := old.read(COPY_BYTES):
                    new.write(piece)
            paths.append(target)
        if paths:
            table.add_files(paths, check_duplicate_files=False)
        return str(catalog.load_table((NAMESPACE, lake.name)).metadata_location)
