"""The table as a dataset of Arrow, of which only the files and columns are read that a question needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from lurge.errors import LakeError
from lurge.store.lake.catalog import Lake, told
from lurge.store.lake.loads import Load

if TYPE_CHECKING:
    from pyiceberg.table import Table


LOAD_TYPES = {"int": pa.int64(), "bool": pa.bool_(), "float": pa.float64(), "datetime": pa.timestamp("us", "UTC")}
"""The types of a load's fields, by those that they have in Python. Any other is a text."""


def objects(lake: Lake, table: Table, until: date | None = None, of_loads: Iterable[Load] | None = None) -> ds.Dataset:
    """The rows of the table as a dataset, which leaves out files by bucket, date and the range of their keys.

    until: without the inventories of later dates. of_loads: only the rows of these.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    schema = pa.schema([pa.field(field.name, narrow(field.type)) for field in schema])
    chosen = None if of_loads is None else {(load.source, load.time) for load in of_loads}
    parquet = ds.ParquetFileFormat()
    fragments = []
    with told(lake.place):
        for path, condition, source in files_of(table, until):
            if chosen is None or source in chosen:
                filesystem, place = file_system(table, path)
                fragments.append(parquet.make_fragment(place, filesystem, partition_expression=condition))
    return ds.FileSystemDataset(fragments, schema, parquet) if fragments else ds.dataset(schema.empty_table())


def narrow(kind: pa.DataType) -> pa.DataType:
    """Texts with offsets of 32 bits, as Parquet has them."""
    return pa.string() if pa.types.is_large_string(kind) else kind


def files_of(table: Table, until: date | None) -> Iterator[tuple[str, ds.Expression, Any]]:
    """Path, condition on the rows, and (source, time) of the inventory, of each data file of the newest snapshot."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.expressions import AlwaysTrue, LessThanOrEqual

    schema = table.schema()
    ids: dict[str, tuple[int, Any]] = {field.name: (field.field_id, field.field_type) for field in schema.fields}

    def bound(bounds: Any, name: str) -> Any:
        number, kind = ids[name]
        value = (bounds or {}).get(number)
        return None if value is None else from_bytes(kind, value)

    wanted = AlwaysTrue() if until is None else LessThanOrEqual(term="dt", value=until.isoformat())
    for task in table.scan(wanted).plan_files():
        file = task.file
        condition = ds.scalar(True)
        for name in ("bucket", "dt", "key"):
            low, high = bound(file.lower_bounds, name), bound(file.upper_bounds, name)
            if name == "dt":
                low, high = (None if day is None else as_date(day) for day in (low, high))
            if low is not None and high is not None:
                column = ds.field(name)
                condition &= (column == low) if low == high else (column >= low) & (column <= high)
        time = bound(file.lower_bounds, "inventory_time")
        yield file.file_path, condition, (bound(file.lower_bounds, "inventory_source"), as_time(time))


def as_date(day: int | date) -> date:
    return day if isinstance(day, date) else pa.scalar(day, pa.date32()).as_py()


def as_time(microseconds: Any) -> Any:
    return pa.scalar(microseconds, pa.timestamp("us", "UTC")).as_py() if isinstance(microseconds, int) else microseconds


def file_system(table: Table, path: str) -> tuple[Any, str]:
    """The file system of Arrow for a path, and the path in it."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    io: Any = table.io
    if not isinstance(io, PyArrowFileIO):
        raise LakeError(f"{path}: only pyiceberg's PyArrowFileIO can be read")
    scheme, netloc, place = PyArrowFileIO.parse_location(path, io.properties)
    return io.fs_by_scheme(scheme, netloc), place


def loads_table(loads: Iterable[Load]) -> pa.Table:
    """Loads as rows, the oldest first. Columns are joined by commas."""
    in_order = sorted(loads, key=lambda load: (load.time, load.source))
    columns: dict[str, pa.Array] = {}
    for field in fields(Load):
        values = [getattr(load, field.name) for load in in_order]
        kind = LOAD_TYPES.get(str(field.type), pa.string())
        columns[field.name] = pa.array([",".join(one) if isinstance(one, tuple) else one for one in values], kind)
    return pa.table(columns)
