"""Columns of inventories in the types of the model, and the rows that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS, ENCODED
from lurge.model.paths import shown

SAMPLES = 10
SAMPLE_CHARACTERS = 300
LONGEST_KEY, LONGEST_SHOWN = 1024, 4096
"""Bytes of a key, and of one whose bytes are shown. Of longer ones Parquet would keep no smallest and largest value."""

REPLACED = "\ufffd"
"""The character for bytes that are not UTF-8."""


@dataclass
class Rejects:
    """The rows that could not be parsed. samples: of some, what is wrong."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, reason: str, rows: int = 1) -> None:
        """Count a row, or several with one reason."""
        self.count += rows
        if len(self.samples) < SAMPLES:
            self.samples.append(reason[:SAMPLE_CHARACTERS])

    def merge(self, other: Rejects) -> None:
        """Add those of another file."""
        self.count += other.count
        self.samples = (self.samples + other.samples)[:SAMPLES]


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
                rejects.add(f"{address}: {name} is {shown(as_bytes(array, int(place)))[:100]!r}")
            bad |= wrong
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise LakeError(f"{address}: the column {name} has the type {array.type}") from error
    if "key" not in arrays:
        raise LakeError(f"{address}: there is no column of keys")
    result = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    return result.filter(pa.array(~bad)) if bad.any() else result


def wrong_rows(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """The rows of a batch that are to be rejected, by the reason. Keys are decoded."""
    key = batch["key"]
    length = pc.binary_length(key)
    longest = LONGEST_KEY
    if ENCODED in batch.schema.names:
        longest = pc.if_else(batch[ENCODED].is_valid(), LONGEST_SHOWN, LONGEST_KEY)
    conditions = {
        "a key is empty": key.is_null(),
        f"a key is longer than {LONGEST_KEY} bytes": pc.fill_null(pc.greater(length, longest), False),
    }
    if "size" in batch.schema.names:
        conditions["a size is negative"] = pc.fill_null(pc.less(batch["size"], 0), False)
    return conditions


def without_wrong_rows(batch: pa.RecordBatch, address: str, rejects: Rejects) -> pa.RecordBatch:
    """A batch without the rows that are to be rejected, which are counted."""
    bad = np.zeros(batch.num_rows, bool)
    for reason, condition in wrong_rows(batch).items():
        wrong = condition.to_numpy(zero_copy_only=False) & ~bad
        for _ in range(int(wrong.sum())):
            rejects.add(f"{address}: {reason}")
        bad |= wrong
    return batch.filter(pa.array(~bad)) if bad.any() else batch


def from_text(name: str, array: pa.Array) -> pa.Array:
    """A column of CSV, which is binary, in its type. Raises ArrowInvalid."""
    text, wanted = array.cast(pa.string()), COLUMNS.get(name, pa.string())
    # As Arrow's reader of CSV does.
    return text if pa.types.is_string(wanted) else pc.utf8_trim(text, " \t").cast(wanted)


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
    if name not in COLUMNS and (pa.types.is_nested(array.type) or pa.types.is_binary(array.type)):
        return pa.array([None if value is None else text_of(value) for value in array.to_pylist()], wanted)
    if pa.types.is_timestamp(wanted) and pa.types.is_integer(array.type):
        raise pa.ArrowTypeError("a number is not a time")
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        # Nothing else looks whether it is UTF-8.
        array.validate(full=True)
    if pa.types.is_timestamp(wanted) and pa.types.is_timestamp(array.type):
        # A time without a zone is in UTC; below a microsecond it is cut.
        naive = array.cast(pa.timestamp("us", array.type.tz), safe=False)
        return naive.cast(wanted) if array.type.tz else pc.assume_timezone(naive, "UTC")
    return array.cast(wanted)


def text_of(value: Any) -> str:
    """A value of a column that is not known, as text: bytes are shown, and what has parts is JSON."""
    return shown(value) if isinstance(value, bytes) else json.dumps(value, default=str)


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


def as_bytes(array: pa.Array, place: int) -> bytes:
    """A value of a column, which may not be what its type says."""
    one = array.slice(place, 1)
    if pa.types.is_string(one.type) or pa.types.is_large_string(one.type):
        one = one.cast(pa.large_binary())
    value = one[0].as_py()
    return value if isinstance(value, bytes) else str(value).encode()
