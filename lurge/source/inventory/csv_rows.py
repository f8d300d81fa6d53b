"""The rows of CSV files: all columns in their types at once, or, if a value does not fit, as texts first."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS, ENCODED, LIST_COLUMNS, column_of
from lurge.source.inflate import MAGIC, inflating
from lurge.source.inventory.convert import (
    REPLACED,
    Rejects,
    converted,
    from_damaged_text,
    from_text,
    without_wrong_rows,
    wrong_rows,
)
from lurge.source.inventory.keys import decoded_keys

BLOCK_BYTES = 1 << 20
"""Bytes of CSV that are parsed at once. A row cannot be longer."""

HEADER_BYTES = 1 << 16


class DoesNotFitError(Exception):
    """A value does not fit the type of its column."""


def read_csv(
    file: io.RawIOBase,
    columns: Sequence[str],
    is_list: bool,
    address: str,
    rejects: Rejects,
    is_typed: bool,
    first: int = 0,
) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV file, plain or compressed, a batch for each block. Raises pa.ArrowInvalid, LakeError.

    columns: none for those of a list. is_list: it may have a header, which tells the columns. is_typed: read columns in
    their types at once, which is several times as fast as reading texts; raises DoesNotFitError at a value for which
    that is not possible. first: the number of the block from which on rows are wanted.
    """
    raw = io.BufferedReader(file, 1 << 20)
    text: Any = raw
    if raw.peek(len(MAGIC))[: len(MAGIC)] == MAGIC:
        text = io.BufferedReader(inflating(raw), 1 << 20)
    start = text.peek(HEADER_BYTES)
    if not start:
        return
    skipped = 0
    if is_list or not columns:
        columns, skipped = columns_of_list(start, address, columns)
    reading = arrow_csv.ReadOptions(column_names=list(columns), skip_rows=skipped, block_size=BLOCK_BYTES)

    def reject(row: Any) -> str:
        # A quote that is not closed takes all lines with it up to the end of the block.
        lines = 1 + row.text.rstrip("\n").count("\n")
        rejects.add(f"{address}: {row.actual_columns} columns instead of {row.expected_columns}: {row.text}", lines)
        return "skip"

    parsing = arrow_csv.ParseOptions(invalid_row_handler=reject)
    types = {name: COLUMNS.get(name, pa.string()) if is_typed else pa.binary() for name in columns}
    converting = arrow_csv.ConvertOptions(
        column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
    )
    valid = ValidText(text)
    try:
        with arrow_csv.open_csv(pa.PythonFile(valid, mode="r"), reading, parsing, converting) as batches:
            for number, batch in enumerate(batches):
                if number < first:
                    continue
                if not is_typed:
                    yield parsed(batch, address, rejects, valid.is_damaged)
                elif valid.is_damaged or not fits(rows := typed(batch)):
                    raise DoesNotFitError
                else:
                    yield rows
    except pa.ArrowInvalid as error:
        if is_typed and "onversion error" in str(error):
            raise DoesNotFitError from error
        raise


def fits(batch: pa.RecordBatch) -> bool:
    """True if no row of a batch is to be rejected."""
    return not any(pc.any(condition).as_py() for condition in wrong_rows(batch).values())


def typed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch that was read in its types, with its keys decoded."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    if "key" in columns:
        columns["key"], columns[ENCODED] = decoded_keys(columns["key"])
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def parsed(batch: pa.RecordBatch, address: str, rejects: Rejects, is_damaged: bool) -> pa.RecordBatch:
    """A batch of texts in its types, with its keys decoded, without the rows that do not fit."""
    rows = typed(converted(batch, address, rejects, from_damaged_text if is_damaged else from_text))
    return without_wrong_rows(rows, address, rejects)


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


def columns_of_list(start: bytes, address: str, columns: Sequence[str] = ()) -> tuple[Sequence[str], int]:
    """The columns of a plain list, and the lines of its header. Raises LakeError for a number that is not known.

    columns: those of a list without a header, if they are given.
    """
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
    if columns:
        return columns, 0
    if len(fields) != len(LIST_COLUMNS):
        raise LakeError(
            f"{address}: {len(fields)} columns without a header; known are only {len(LIST_COLUMNS)}",
            "Name the columns in order: --columns bucket,key,size,...",
        )
    return LIST_COLUMNS, 0
