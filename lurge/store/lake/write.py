"""Writing the rows of an inventory as Parquet files, which a commit adds to the table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.parquet import ParquetWriter

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS, LOAD_COLUMNS, Inventory

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table

GROUP_ROWS = 1 << 16
GROUP_BYTES = 32 << 20
"""Rows, or bytes in memory, that are sorted at once and become a row group."""

FILE_BYTES = 256 << 20
LEVEL = 1
"""Of zstd. A higher one takes longer than reading CSV does."""


@dataclass
class Totals:
    """Sums of the rows of a load. bytes: of all objects. Old versions are not the latest, and no delete markers."""

    rows: int = 0
    bytes: int = 0
    current: int = 0
    current_bytes: int = 0
    noncurrent: int = 0
    noncurrent_bytes: int = 0
    delete_markers: int = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows."""
        names = rows.column_names
        sizes = pc.fill_null(rows["size"], 0) if "size" in names else pa.scalar(0)
        marker = pc.fill_null(rows["isdeletemarker"], False) if "isdeletemarker" in names else None
        latest = pc.fill_null(rows["islatest"], True) if "islatest" in names else None
        self.rows += len(rows)
        whole = as_int(pc.sum(sizes))
        self.bytes += whole
        none = pa.scalar(False)
        markers = as_int(pc.sum(marker)) if marker is not None else 0
        self.delete_markers += markers
        if latest is None:
            old, old_bytes = 0, 0
        else:
            is_old = pc.and_not(pc.invert(latest), marker if marker is not None else none)
            old, old_bytes = as_int(pc.sum(is_old)), as_int(pc.sum(pc.if_else(is_old, sizes, 0)))
        self.noncurrent += old
        self.noncurrent_bytes += old_bytes
        self.current += len(rows) - old - markers
        self.current_bytes += whole - old_bytes

    def merge(self, other: Totals) -> None:
        """Add those of another part."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def as_int(value: Any) -> int:
    """A sum of Arrow; 0 of no rows."""
    return int(value.as_py() or 0)


@dataclass
class Written:
    """The files that were written, their sums, and the columns that the inventory had. input_bytes: that were read."""

    paths: list[str] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    columns: set[str] = field(default_factory=set)
    input_bytes: int = 0

    def merge(self, other: Written) -> None:
        """Add those of another writer."""
        self.paths += other.paths
        self.totals.merge(other.totals)
        self.columns |= other.columns
        self.input_bytes += other.input_bytes


class NewColumnsError(LakeError):
    """Rows have columns that the table lacks. columns: their names."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(f"the table has no columns {', '.join(columns)}")
        self.columns = tuple(columns)

    def __reduce__(self) -> tuple[type[NewColumnsError], tuple[tuple[str, ...]]]:
        return NewColumnsError, (self.columns,)


class _Open:
    """A file that is being written."""

    def __init__(self, io: FileIO, path: str, schema: pa.Schema) -> None:
        self.schema = schema
        self._sink: Any = io.new_output(path).create()
        # Without Arrow's own schema, texts of dictionaries are texts again.
        self._writer = ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), schema, compression="zstd", compression_level=LEVEL,
            store_schema=False, write_page_index=True,
        )  # fmt: skip

    def write(self, rows: pa.Table) -> bool:
        """Write a row group; returns whether the file is large enough."""
        self._writer.write_table(rows, row_group_size=len(rows))
        return bool(self._sink.tell() >= FILE_BYTES)

    def close(self) -> None:
        self._writer.close()
        self._sink.close()


class Writer:
    """Writes rows of an inventory. Each row group is sorted by key. Use from one thread.

    table: whose schema numbers the columns. name: the beginning of the names of files, of which nobody else makes one.
    is_trial: count rows and columns only, also new ones.
    """

    def __init__(self, table: Table, name: str, inventory: Inventory, is_trial: bool = False) -> None:
        self._is_trial = is_trial
        self._io = table.io
        self._folder = f"{table.location()}/data"
        self._ids = {field.name: field.field_id for field in table.schema().fields}
        self._name = name
        self._inventory = inventory
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._files: dict[str, _Open] = {}
        self._made = 0
        self.written = Written()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows. Raises NewColumnsError."""
        if not batch.num_rows:
            return
        if self._is_trial:
            self._count(pa.Table.from_batches([batch]))
            return
        if new := sorted(set(batch.schema.names) - self._ids.keys()):
            raise NewColumnsError(new)
        if self._waiting and self._waiting[0].schema != batch.schema:
            self.flush()
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Sort and write what waits."""
        if not self._waiting:
            return
        rows = pa.Table.from_batches(self._waiting)
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._count(rows)
        for bucket, part in by_bucket(rows, self._inventory.bucket):
            self._write(bucket, in_order(part))

    def _count(self, rows: pa.Table) -> None:
        self.written.columns |= set(rows.column_names) - LOAD_COLUMNS.keys()
        self.written.totals.add(rows)

    def _write(self, bucket: str, rows: pa.Table) -> None:
        rows = numbered(with_load(rows, bucket, self._inventory), self._ids)
        file = self._files.get(bucket)
        if file and file.schema != rows.schema:
            self._files.pop(bucket).close()
            file = None
        if file is None:
            self._made += 1
            place = f"bucket={quote(bucket, safe='')}/dt={self._inventory.date}"
            path = f"{self._folder}/{place}/{self._name}-{self._made:04}.parquet"
            self.written.paths.append(path)
            file = self._files[bucket] = _Open(self._io, path, rows.schema)
        if file.write(rows):
            self._files.pop(bucket).close()

    def close(self) -> Written:
        """Write the rest; returns what was written."""
        self.flush()
        while self._files:
            self._files.popitem()[1].close()
        return self.written

    def abandon(self) -> None:
        """Remove what was written."""
        while self._files:
            with contextlib.suppress(Exception):
                self._files.popitem()[1].close()
        remove(self._io, self.written.paths)


def remove(io: FileIO, paths: list[str]) -> None:
    """Remove files, if they can be removed: `lurge lake clean` finds the others."""
    for path in paths:
        with contextlib.suppress(Exception):
            io.delete(path)


def by_bucket(rows: pa.Table, bucket: str) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each bucket. bucket: of rows that do not say it."""
    if "bucket" not in rows.column_names:
        yield bucket, rows
        return
    names = pc.fill_null(rows["bucket"], bucket)
    present = pc.unique(names).to_pylist()
    for name in present:
        yield name, rows if len(present) == 1 else rows.filter(pc.equal(names, name))


def in_order(rows: pa.Table) -> pa.Table:
    """The rows, sorted by key."""
    keys = rows["key"]
    if pc.all(pc.less_equal(keys[:-1], keys[1:])).as_py() is not False:
        return rows
    return rows.take(pc.sort_indices(keys))


def numbered(rows: pa.Table, ids: Mapping[str, int]) -> pa.Table:
    """The rows with the numbers of columns, by which Iceberg finds them."""
    fields = [field.with_metadata({"PARQUET:field_id": str(ids[field.name])}) for field in rows.schema]
    return pa.table(rows.columns, schema=pa.schema(fields))


def with_load(rows: pa.Table, bucket: str, inventory: Inventory) -> pa.Table:
    """The rows with the columns that a load adds, in the order of the table."""
    constants: Mapping[str, pa.Scalar] = {
        "bucket": pa.scalar(bucket),
        "inventory_source": pa.scalar(inventory.source),
        "inventory_time": pa.scalar(inventory.time, LOAD_COLUMNS["inventory_time"]),
        "dt": pa.scalar(inventory.date, pa.date32()),
    }
    columns = {name: rows[name] for name in rows.column_names}
    for name, value in constants.items():
        # One value with an index for each row: it takes no space, in memory or in the file.
        indices = pa.repeat(pa.scalar(0, pa.int8()), len(rows))
        if pa.types.is_string(value.type):
            columns[name] = pa.DictionaryArray.from_arrays(indices, pa.array([value.as_py()], value.type))
        else:
            columns[name] = pa.repeat(value, len(rows))
    order = [name for name in (*COLUMNS, *LOAD_COLUMNS) if name in columns]
    order += sorted(columns.keys() - set(order))
    return pa.table({name: columns[name] for name in order})
