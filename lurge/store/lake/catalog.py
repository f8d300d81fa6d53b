"""The catalog and the table of objects. pyiceberg is imported when a lake is opened: it takes half a second."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from lurge.config.lake import S3, LakeConfig
from lurge.errors import LakeError, UsageError
from lurge.model.inventory import COLUMNS, LOAD_COLUMNS

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

NAMESPACE = "inventory"
OBJECTS = "objects"
CATALOG = "catalog.db"
TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
EXACT = ("key", "bucket", "inventory_source", "versionid")
"""Columns whose smallest and largest values Iceberg shall keep whole: by them files are left out, or removed."""

PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    # A commit that is repeated behind our back would add what another load has added meanwhile.
    "commit.retry.num-retries": "0",
    **{f"write.metadata.metrics.column.{name}": "full" for name in EXACT},
}


LIBRARIES = ("pyiceberg", "sqlalchemy", "pyarrow", "requests", "botocore")
"""Whose errors say that a catalog or a file system does not answer."""


@contextlib.contextmanager
def told(place: str) -> Iterator[None]:
    """Turn what a catalog or a file system refuses into a LakeError."""
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in LIBRARIES:
            raise
        raise LakeError(f"{place}: {str(error)[:500] or type(error).__name__}") from error


class Lake:
    """The tables of a site. name: of the table of objects in the namespace `inventory`. Raises UsageError."""

    def __init__(self, config: LakeConfig, name: str = OBJECTS) -> None:
        if not TABLE_NAME.fullmatch(name) or name.endswith("_loads"):
            raise UsageError(f"{name!r} is not a name of a table", "Use letters, digits and underscores.")
        if not config.warehouse.startswith(S3) and re.search(r"[?#%]", config.warehouse):
            raise UsageError(
                f"{config.warehouse}: a warehouse cannot have ?, # or % in its path", "Choose another one."
            )
        self.config = config
        self.name = name

    def __reduce__(self) -> tuple[type[Lake], tuple[LakeConfig, str]]:
        """Travel to another rank without the catalog, which is opened there."""
        return Lake, (self.config, self.name)

    @property
    def is_local(self) -> bool:
        """True if the warehouse is a directory."""
        return not self.config.warehouse.startswith(S3)

    @property
    def place(self) -> str:
        """The table in words."""
        return f"{self.config.warehouse}: {NAMESPACE}.{self.name}"

    @property
    def catalog_file(self) -> Path:
        """The catalog in SQLite, if no other is named: in the warehouse, or for one in S3 beside the reports."""
        return Path(self.config.warehouse) / CATALOG if self.is_local else self.config.catalog_file

    def properties(self) -> dict[str, str]:
        """The properties of the catalog: those of the configuration, or SQLite in the warehouse."""
        given = {name: str(value) for name, value in self.config.catalog.items()}
        warehouse = self.config.warehouse if not self.is_local else f"file://{self.config.warehouse}"
        defaults = {"warehouse": warehouse}
        if not {"type", "uri", "py-catalog-impl"} & given.keys():
            defaults |= {"type": "sql", "uri": f"sqlite:///{self.catalog_file}"}
        if self.config.endpoint_url:
            defaults["s3.endpoint"] = self.config.endpoint_url
        return defaults | given

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog. Raises LakeError."""
        try:
            from pyiceberg.catalog import load_catalog
        except ImportError as error:
            raise LakeError(f"{error}", "Install lurge[lake].") from error
        properties = self.properties()
        if self._has_default or self.is_local:
            try:
                self.catalog_file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LakeError(f"{self.catalog_file.parent}: {error.strerror}") from error
        with told(self.config.warehouse):
            try:
                return without_pool(load_catalog("lurge", **properties))
            except Exception as error:
                if type(error).__module__.split(".")[0] != "sqlalchemy":
                    raise
                # Two processes made the catalog's own tables at once.
                return without_pool(load_catalog("lurge", **properties))

    @property
    def _has_default(self) -> bool:
        return self.properties().get("uri") == f"sqlite:///{self.catalog_file}"

    @property
    def exists(self) -> bool:
        """True if something was loaded. A question makes no warehouse."""
        if self._has_default and not self.catalog_file.exists():
            return False
        with told(self.place):
            return self.catalog.table_exists((NAMESPACE, self.name))

    def table(self) -> Table:
        """The table, as it is now. Raises LakeError."""
        if not self.exists:
            raise LakeError(f"{self.place}: nothing was loaded yet", "Load inventories: lurge lake load DIR")
        with told(self.place):
            return self.catalog.load_table((NAMESPACE, self.name))

    def made_table(self) -> Table:
        """The table, which is made if it is not there. Raises LakeError."""
        from pyiceberg.exceptions import NamespaceAlreadyExistsError, TableAlreadyExistsError

        with told(self.place):
            # A catalog in a database refuses the row that another load has just made.
            with contextlib.suppress(NamespaceAlreadyExistsError, sa.exc.IntegrityError):
                self.catalog.create_namespace(NAMESPACE)
            if not self.catalog.table_exists((NAMESPACE, self.name)):
                schema, spec, order = layout()
                with contextlib.suppress(TableAlreadyExistsError):
                    return self.catalog.create_table(
                        (NAMESPACE, self.name), schema, partition_spec=spec, sort_order=order, properties=PROPERTIES
                    )
            return self.catalog.load_table((NAMESPACE, self.name))


def without_pool(catalog: Catalog) -> Catalog:
    """Let a catalog in a database keep no connection open: a lake is never closed."""
    from pyiceberg.catalog.sql import SqlCatalog

    if isinstance(catalog, SqlCatalog):
        catalog.engine.dispose()
        catalog.engine = sa.create_engine(catalog.engine.url, poolclass=sa.NullPool)
    return catalog


def layout() -> tuple[Schema, Any, Any]:
    """The schema of the table, its partitions and its order."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.sorting import SortField, SortOrder
    from pyiceberg.transforms import IdentityTransform
    from pyiceberg.types import NestedField

    fields = [
        NestedField(place, name, iceberg_type(kind), required=False)
        for place, (name, kind) in enumerate((COLUMNS | LOAD_COLUMNS).items(), 1)
    ]
    schema = Schema(*fields)
    ids = {field.name: field.field_id for field in fields}
    spec = PartitionSpec(
        PartitionField(ids["bucket"], 1000, IdentityTransform(), "bucket"),
        PartitionField(ids["dt"], 1001, IdentityTransform(), "dt"),
    )
    return schema, spec, SortOrder(SortField(ids["key"], IdentityTransform()))


def iceberg_type(kind: pa.DataType) -> Any:
    """The type of Iceberg for one of Arrow."""
    from pyiceberg.types import BooleanType, DateType, LongType, StringType, TimestamptzType

    if pa.types.is_timestamp(kind):
        return TimestamptzType()
    return {pa.string(): StringType, pa.bool_(): BooleanType, pa.int64(): LongType, pa.date32(): DateType}[kind]()
