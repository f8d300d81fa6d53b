"""The rows of an inventory's data files, as batches of Arrow with the columns of the model.

Memory does not depend on the size of a file. Rows that cannot be parsed are counted, and some of them kept.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib

from lurge.errors import LakeError
from lurge.model.inventory import DataFile, Inventory, column_of
from lurge.model.lake import Format
from lurge.source.inventory.convert import Rejects, converted, from_column, without_wrong_rows
from lurge.source.inventory.csv_rows import DoesNotFitError, read_csv
from lurge.source.inventory.places import Checked, Places

BATCH_ROWS = 1 << 14


def read_rows(places: Places, inventory: Inventory, file: DataFile, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a file, whose size and MD5 are right when the last batch has come. Raises LakeError."""
    own = Rejects()
    try:
        if inventory.format is Format.CSV:
            batches = csv_rows(places, inventory, file, own)
        else:
            batches = columnar_rows(places, inventory, file, own)
        for batch in batches:
            yield batch if inventory.is_list else of_bucket(batch, inventory.bucket, file.address, rejects)
    except (pa.ArrowException, EOFError, zlib.error, isal_zlib.error, OSError) as error:  # type: ignore[misc]  # the stub calls the class an instance
        raise LakeError(f"{file.address}: {str(error)[:500] or 'cut short'}") from error
    rejects.merge(own)


def csv_rows(places: Places, inventory: Inventory, file: DataFile, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV file. If a value does not fit, it is read again, slowly, and goes on with the same block."""
    done = 0
    for is_typed in (True, False):
        own = Rejects()
        with places.open(file.address) as opened:
            checked = Checked(opened, file)
            try:
                for batch in read_csv(checked, inventory.columns, inventory.is_list, file.address, own, is_typed, done):
                    done += 1
                    yield batch
            except DoesNotFitError:
                continue
            checked.finish()
        rejects.merge(own)
        return


def of_bucket(batch: pa.RecordBatch, bucket: str, address: str, rejects: Rejects) -> pa.RecordBatch:
    """The rows that are of the bucket of the inventory, or do not say of which they are."""
    if "bucket" not in batch.schema.names:
        return batch
    wrong = pc.fill_null(pc.not_equal(batch["bucket"], bucket), False)
    if not pc.any(wrong).as_py():
        return batch
    for other in batch["bucket"].filter(wrong).to_pylist():
        rejects.add(f"{address}: the bucket is {other!r}, and that of the inventory {bucket!r}")
    return batch.filter(pc.invert(wrong))


def with_bucket(places: Places, inventory: Inventory) -> Inventory:
    """A plain list, with the bucket of its first row as the bucket of its source. Raises LakeError."""
    for file in inventory.files:
        for batch in read_rows(places, inventory, file, Rejects()):
            if batch.num_rows:
                bucket = batch["bucket"][0].as_py() if "bucket" in batch.schema.names else None
                if not bucket:
                    raise LakeError(f"{file.address}: its first row names no bucket")
                return replace(inventory, source=f"{bucket}/{inventory.source}")
    return inventory


def columnar_rows(places: Places, inventory: Inventory, file: DataFile, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet or ORC file. Such a file is read in any order: it is copied, and compared before."""
    with tempfile.TemporaryFile(prefix="lurge-lake-") as copy:
        with places.open(file.address) as opened:
            checked = Checked(opened, file)
            while piece := checked.read(1 << 20):
                copy.write(piece)
            checked.finish()
        copy.seek(0)
        for batch in batches_of(copy, inventory.format):
            names = [column_of(name) for name in batch.schema.names]
            if len(set(names)) < len(names):
                raise LakeError(f"{file.address}: two columns have one name")
            rows = converted(batch.rename_columns(names), file.address, rejects, from_column)
            yield without_wrong_rows(rows, file.address, rejects)


def batches_of(file: BinaryIO, file_format: Format) -> Iterator[pa.RecordBatch]:
    """The batches of a file in one of the two formats."""
    if file_format is Format.PARQUET:
        from pyarrow.parquet import ParquetFile

        yield from ParquetFile(file, pre_buffer=False, buffer_size=1 << 20).iter_batches(BATCH_ROWS)
        return
    from pyarrow.orc import ORCFile

    reader = ORCFile(file)
    for stripe in range(reader.nstripes):
        batch = reader.read_stripe(stripe)
        for first in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(first, BATCH_ROWS)
