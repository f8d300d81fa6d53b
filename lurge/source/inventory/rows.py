"""The rows of an inventory's data files, as batches of Arrow with the columns of the model.

Memory does not depend on the size of a file. Rows that cannot be parsed are counted, and some of them kept.
"""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import isal_zlib
from pyarrow import csv as arrow_csv

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS, ENCODED, LIST_COLUMNS, DataFile, Format, Inventory, column_of
from lurge.model.paths import shown
from lurge.source.inflate import inflating
from lurge.source.inventory.places import Checked, Places

GZIP = b"\x1f\x8b"
BLOCK_BYTES = 8 << 20
"""Bytes of CSV that are parsed at once. A row cannot be longer."""

BATCH_ROWS = 1 << 17
SAMPLES = 10
SAMPLE_CHARACTERS = 300
HEADER_BYTES = 1 << 16
REPLACED = "\ufffd"
"""The character for bytes that are not UTF-8."""


@dataclass
class Rejects:
    """The rows that could not be parsed. samples: of some, what is wrong."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        """Count a row."""
        self.count += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(reason[:SAMPLE_CHARACTERS])

    def merge(self, other: Rejects) -> None:
        """Add those of another file."""
        self.count += other.count
        self.samples = (self.samples + other.samples)[:SAMPLES]


def read_rows(places: Places, inventory: Inventory, file: DataFile, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a file, whose size and MD5 are right when the last batch has come. Raises LakeError."""
    try:
        with places.open(file.address) as opened:
            checked = Checked(opened, file)
            if inventory.format is Format.CSV:
                batches = read_csv(checked, inventory.columns, file.address, rejects)
            else:
                batches = read_columnar(checked, inventory.format, file.address, rejects)
            for batch in batches:
                yield batch if inventory.is_list else of_bucket(batch, inventory.bucket, file.address, rejects)
            checked.finish()
    except (pa.ArrowException, EOFError, zlib.error, isal_zlib.error, OSError) as error:  # type: ignore[misc]  # the stub calls the class an instance
        raise LakeError(f"{file.address}: {str(error)[:500] or 'cut short'}") from error


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


def read_csv(file: io.RawIOBase, columns: Sequence[str], address: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV file, plain or compressed. columns: none for a list, which may have a header."""
    raw = io.BufferedReader(file, 1 << 20)
    text: Any = raw
    if raw.peek(2)[:2] == GZIP:
        text = io.BufferedReader(inflating(raw), 1 << 20)
    start = text.peek(HEADER_BYTES)
    if not start:
        return
    skipped = 0
    if not columns:
        columns, skipped = columns_of_list(start, address)
    reading = arrow_csv.ReadOptions(column_names=list(columns), skip_rows=skipped, block_size=BLOCK_BYTES)

    def reject(row: Any) -> str:
        rejects.add(f"{address}: {row.actual_columns} columns instead of {row.expected_columns}: {row.text}")
        return "skip"

    parsing = arrow_csv.ParseOptions(invalid_row_handler=reject)
    converting = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.binary()), null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )  # fmt: skip
    valid = ValidText(text)
    with arrow_csv.open_csv(pa.PythonFile(valid, mode="r"), reading, parsing, converting) as batches:
        for batch in batches:
            if batch.num_rows:
                yield converted(batch, address, rejects, from_damaged_text if valid.is_damaged else from_text)


class ValidText(io.RawIOBase):
    """A text whose invalid bytes are replaced: Arrow cannot tell of a malformed row that is not UTF-8."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.is_damaged = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            data: bytes = self._file.read(size)
            if data.isascii() and not self._decoder.getstate()[0]:
                return data
            text = self._decoder.decode(data, final=not data)
            self.is_damaged = self.is_damaged or REPLACED in text
            if text or not data:
                return text.encode()


def columns_of_list(start: bytes, address: str) -> tuple[Sequence[str], int]:
    """The columns of a plain list, and the lines of its header. Raises LakeError for a number that is not known."""
    line = start.partition(b"\n")[0].rstrip(b"\r").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        fields = next(csv.reader([line]), [])
    except csv.Error as error:
        raise LakeError(f"{address}: line 1: {error}") from error
    names = [column_of(name) for name in fields]
    if "bucket" in names and "key" in names:
        if len(set(names)) < len(names) or "" in names:
            raise LakeError(f"{address}: the header names a column twice, or has an empty name")
        return names, 1
    if len(fields) != len(LIST_COLUMNS):
        raise LakeError(
            f"{address}: {len(fields)} columns without a header; known are only {len(LIST_COLUMNS)}",
            "Name the columns in order: --columns bucket,key,size,...",
        )
    return LIST_COLUMNS, 0


def read_columnar(file: Checked, file_format: Format, address: str, rejects: Rejects) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet or ORC file. Such a file is read in any order: it is copied, and compared before."""
    with tempfile.TemporaryFile(prefix="lurge-lake-") as copy:
        while piece := file.read(1 << 20):
            copy.write(piece)
        file.finish()
        copy.seek(0)
        for batch in batches_of(copy, file_format):
            names = [column_of(name) for name in batch.schema.names]
            if len(set(names)) < len(names):
                raise LakeError(f"{address}: two columns have one name")
            yield converted(batch.rename_columns(names), address, rejects, from_column)


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


Convert = Callable[[str, pa.Array], pa.Array]


def converted(batch: pa.RecordBatch, address: str, rejects: Rejects, convert: Convert) -> pa.RecordBatch:
    """A batch with the types of the model, without the rows that cannot be parsed. Raises LakeError."""
    arrays: dict[str, pa.Array] = {}
    bad = np.zeros(batch.num_rows, bool)
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            arrays[name] = convert(name, array)
        except (pa.ArrowInvalid, ValueError):
            arrays[name], wrong = one_by_one(name, array, convert)
            for place in np.flatnonzero(wrong & ~bad):
                rejects.add(f"{address}: {name} {shown(as_bytes(array[place].as_py()))}")
            bad |= wrong
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise LakeError(f"{address}: the column {name} has the type {array.type}") from error
    if "key" not in arrays:
        raise LakeError(f"{address}: there is no column of keys")
    conditions = {"a key is empty": arrays["key"].is_null()}
    if "size" in arrays:
        conditions["a size is negative"] = pc.fill_null(pc.less(arrays["size"], 0), False)
    for reason, condition in conditions.items():
        wrong = condition.to_numpy(zero_copy_only=False)
        for _ in range(int((wrong & ~bad).sum())):
            rejects.add(f"{address}: {reason}")
        bad |= wrong
    if convert is not from_column:
        arrays["key"], arrays[ENCODED] = decoded_keys(arrays["key"])
    result = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    return result.filter(pa.array(~bad)) if bad.any() else result


def from_text(name: str, array: pa.Array) -> pa.Array:
    """A column of CSV, which is binary, in its type. Raises ArrowInvalid."""
    return array.cast(pa.string()).cast(COLUMNS.get(name, pa.string()))


def from_damaged_text(name: str, array: pa.Array) -> pa.Array:
    """A column of CSV in which some bytes may have been replaced. Raises ArrowInvalid."""
    if pc.any(pc.match_substring(array, REPLACED)).as_py():
        raise pa.ArrowInvalid("not UTF-8")
    return from_text(name, array)


def from_column(name: str, array: pa.Array) -> pa.Array:
    """A column of Parquet or ORC in its type: a wider type takes a narrower one. Raises ArrowInvalid."""
    wanted = COLUMNS.get(name, pa.string())
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(wanted) and pa.types.is_timestamp(array.type):
        # A time without a zone is in UTC; below a microsecond it is cut.
        naive = array.cast(pa.timestamp("us", array.type.tz), safe=False)
        return naive.cast(wanted) if array.type.tz else pc.assume_timezone(naive, "UTC")
    return array.cast(wanted)


def one_by_one(name: str, array: pa.Array, convert: Convert) -> tuple[pa.Array, np.ndarray[Any, np.dtype[np.bool_]]]:
    """A column, value by value; True for those that cannot be converted, which become NULL."""
    values, bad = [], np.zeros(len(array), bool)
    for place in range(len(array)):
        try:
            values.append(convert(name, array.slice(place, 1))[0].as_py())
        except (pa.ArrowInvalid, ValueError):
            values.append(None)
            bad[place] = True
    return pa.array(values, COLUMNS.get(name, pa.string())), bad


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def decoded_keys(keys: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Decode the keys of CSV, where `%20` is a space and `+` a plus; also those that are not UTF-8, as they were."""
    none = pa.nulls(len(keys), pa.string())
    encoded = pc.fill_null(pc.match_substring(keys, "%"), False)
    places = np.flatnonzero(encoded.to_numpy(zero_copy_only=False))
    if not len(places):
        return keys, none
    texts: list[str] = []
    originals: list[str | None] = []
    for key in keys.filter(encoded).to_pylist():
        content = unquote_to_bytes(key)
        try:
            texts.append(content.decode())
            originals.append(None)
        except UnicodeDecodeError:
            texts.append(shown(content))
            originals.append(key)
    decoded = pc.replace_with_mask(keys, encoded, pa.array(texts, pa.string()))
    if not any(originals):
        return decoded, none
    return decoded, pc.replace_with_mask(none, encoded, pa.array(originals, pa.string()))
