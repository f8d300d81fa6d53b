"""Columns of inventories in the types of the model, and the rows that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS
from lurge.model.paths import shown

SAMPLES = 10
SAMPLE_CHARACTERS = 300
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
