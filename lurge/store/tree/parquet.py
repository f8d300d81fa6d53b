"""Writing Parquet files from values that are already encoded: pages, row groups and the footer.

A column has one data page in each row group. pyarrow writes the same files, but takes twice the processor time for
many columns of few rows, and needs them uncompressed in memory.

Format: https://parquet.apache.org/docs/file-format/ and parquet.thrift of apache/parquet-format; Thrift's compact
protocol: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lurge import __version__

INT64, BYTE_ARRAY = 2, 6
"""Physical types."""

PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8
"""Encodings."""

REQUIRED, OPTIONAL = 0, 1
UTF8, ZSTD = 0, 6
DATA_PAGE, DICTIONARY_PAGE = 0, 2
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
"""Types of fields in Thrift's compact protocol."""

LONGEST_BOUND = 4096
"""Bytes of a text that is kept as the least or greatest of a row group, at most."""

MAGIC = b"PAR1"

Values = bytes | memoryview
Compress = Callable[[Values], bytes]


# Thrift


def varint(number: int) -> bytes:
    """Write a number that is not negative, seven bits in a byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(number: int) -> bytes:
    """Write a number that is not negative as a signed integer."""
    return varint(number << 1)


def text(value: bytes) -> bytes:
    return varint(len(value)) + value


def list_of(kind: int, items: Sequence[bytes]) -> bytes:
    head = bytes((len(items) << 4 | kind,)) if len(items) < 15 else bytes((0xF0 | kind,)) + varint(len(items))
    return head + b"".join(items)


Field = tuple[int, int, bytes]
"""The number, type and value of a field."""


def struct(*fields: Field) -> bytes:
    """Write a structure. fields: in the order of their numbers."""
    out, last = bytearray(), 0
    for number, kind, value in fields:
        out.append(number - last << 4 | kind)
        out += value
        last = number
    out.append(0)
    return bytes(out)


# Columns


@dataclass(frozen=True)
class Column:
    """A column of a file. is_text: it holds UTF-8."""

    name: str
    kind: int = INT64
    is_optional: bool = False
    is_text: bool = False

    def element(self) -> bytes:
        """The column in the schema."""
        fields = [
            (1, I32, integer(self.kind)),
            (3, I32, integer(OPTIONAL if self.is_optional else REQUIRED)),
            (4, BINARY, text(self.name.encode())),
        ]
        if self.is_text:
            fields.append((6, I32, integer(UTF8)))
        return struct(*fields)


@cache
def metadata_of(column: Column, has_dictionary: bool) -> tuple[Field, ...]:
    """The fields of a column that are the same in each row group with a dictionary, and in each without one."""
    encodings = (PLAIN, RLE, RLE_DICTIONARY) if has_dictionary else (PLAIN, RLE)
    return (
        (1, I32, integer(column.kind)),
        (2, LIST, list_of(I32, list(map(integer, encodings)))),
        (3, LIST, list_of(BINARY, [text(column.name.encode())])),
        (4, I32, integer(ZSTD)),
    )


class Chunk(NamedTuple):
    """The pages of a column in a row group, each with its header, and what the footer says about them.

    dictionary: the page of the dictionary, empty without one. uncompressed: bytes of both with their headers.
    bounds: the least and the greatest value as PLAIN has them, of a text without its length; None for none.
    """

    dictionary: bytes
    data: bytes
    uncompressed: int
    bounds: tuple[bytes, bytes] | None


@lru_cache(maxsize=1024)
def data_header(count: int, encoding: int) -> Field:
    """The part of the header that data pages with the same number of values share."""
    levels = integer(RLE)
    return 5, STRUCT, struct((1, I32, integer(count)), (2, I32, integer(encoding)), (3, I32, levels), (4, I32, levels))


@lru_cache(maxsize=1024)
def dictionary_header(count: int) -> Field:
    """The part of the header that dictionaries with the same number of values share."""
    return 7, STRUCT, struct((1, I32, integer(count)), (2, I32, integer(PLAIN)))


def page(kind: int, header: Field, values: Values, compress: Compress) -> tuple[bytes, int]:
    """A compressed page with its header; and its bytes, if it were not compressed."""
    size = len(values)
    compressed = compress(values)
    head = struct((1, I32, integer(kind)), (2, I32, integer(size)), (3, I32, integer(len(compressed))), header)
    return head + compressed, len(head) + size


class Dictionary(NamedTuple):
    """The different values of a column in a row group, and their number. values: PLAIN."""

    size: int
    values: Values


def encode(
    count: int,
    values: Values,
    compress: Compress,
    bounds: tuple[bytes, bytes] | None = None,
    dictionary: Dictionary | None = None,
) -> Chunk:
    """Write the pages of a column.

    values: PLAIN, or codes of a dictionary as `codes` writes them; after the levels of an optional column.
    """
    first, first_size = b"", 0
    if dictionary:
        first, first_size = page(DICTIONARY_PAGE, dictionary_header(dictionary.size), dictionary.values, compress)
    header = data_header(count, RLE_DICTIONARY if dictionary else PLAIN)
    data, size = page(DATA_PAGE, header, values, compress)
    if bounds and max(map(len, bounds)) > LONGEST_BOUND:
        bounds = None
    return Chunk(first, data, first_size + size, bounds)


# Values


def plain(numbers: npt.NDArray[np.int64]) -> bytes:
    """Encode numbers as PLAIN."""
    return numbers.astype("<i8").tobytes()


def with_levels(numbers: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_]) -> bytes:
    """Encode the numbers of an optional column: the levels, 0 where one is missing, and the others plain."""
    if missing.any():
        levels = varint((len(missing) + 7) // 8 << 1 | 1) + np.packbits(~missing, bitorder="little").tobytes()
        numbers = numbers[~missing]
    else:
        levels = varint(len(missing) << 1) + b"\x01"
    return len(levels).to_bytes(4, "little") + levels + plain(numbers)


def plain_texts(texts: Sequence[bytes]) -> bytes:
    """Encode texts as PLAIN."""
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def codes(numbers: npt.NDArray[np.unsignedinteger[Any]], values: int) -> bytes:
    """Encode places in a dictionary of some values as RLE_DICTIONARY, each in one, two or four bytes."""
    width, groups = 1 if values <= 2**8 else 2 if values <= 2**16 else 4, (len(numbers) + 7) // 8
    packed = numbers.astype(f"<u{width}", copy=False).tobytes().ljust(8 * width * groups, b"\0")
    return bytes((8 * width,)) + varint(groups << 1 | 1) + packed


# Files


class ParquetFile:
    """One file. It is open only while it is written to: an index may have thousands."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._path, self._columns = path, columns
        self._groups: list[bytes] = []
        self._end = self._rows = 0

    def _write(self, *parts: bytes) -> None:
        if not self._end:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            parts = (MAGIC, *parts)
        written = b"".join(parts)
        with self._path.open("ab" if self._end else "wb", buffering=0) as file:
            write_all(file, written)
            # Linux begins to write it to disk now: `publish` waits until all is there.
            with suppress(OSError):
                os.posix_fadvise(file.fileno(), self._end, len(written), os.POSIX_FADV_DONTNEED)
        self._end += len(written)

    def append(self, rows: int, chunks: Sequence[Chunk]) -> None:
        """Add a row group. chunks: of each column. Raises OSError."""
        start = self._end or len(MAGIC)
        place = start
        footers, uncompressed = [], 0
        for column, chunk in zip(self._columns, chunks, strict=True):
            size = len(chunk.dictionary) + len(chunk.data)
            fields = [
                *metadata_of(column, bool(chunk.dictionary)),
                (5, I64, integer(rows)),
                (6, I64, integer(chunk.uncompressed)),
                (7, I64, integer(size)),
                (9, I64, integer(place + len(chunk.dictionary))),
            ]
            if chunk.dictionary:
                fields.append((11, I64, integer(place)))
            if chunk.bounds:
                least, greatest = map(text, chunk.bounds)
                fields.append((12, STRUCT, struct((5, BINARY, greatest), (6, BINARY, least))))
            footers.append(struct((2, I64, integer(0)), (3, STRUCT, struct(*fields))))
            place += size
            uncompressed += chunk.uncompressed
        self._write(*(part for chunk in chunks for part in (chunk.dictionary, chunk.data)))
        self._groups.append(
            struct(
                (1, LIST, list_of(STRUCT, footers)),
                (2, I64, integer(uncompressed)),
                (3, I64, integer(rows)),
                (5, I64, integer(start)),
                (6, I64, integer(place - start)),
            )
        )
        self._rows += rows

    def close(self) -> None:
        """Write the footer, if there is any row. Raises OSError."""
        if not self._end:
            return
        root = struct((4, BINARY, text(b"schema")), (5, I32, integer(len(self._columns))))
        order = struct((1, STRUCT, struct()))
        footer = struct(
            (1, I32, integer(2)),
            (2, LIST, list_of(STRUCT, [root, *(column.element() for column in self._columns)])),
            (3, I64, integer(self._rows)),
            (4, LIST, list_of(STRUCT, self._groups)),
            (6, BINARY, text(f"lurge version {__version__}".encode())),
            (7, LIST, list_of(STRUCT, [order] * len(self._columns))),
        )
        self._write(footer, len(footer).to_bytes(4, "little"), MAGIC)


def write_all(file: RawIOBase, values: Values) -> None:
    """Write all bytes to a file without a buffer, which may take only a part of them at once."""
    rest = memoryview(values)
    while rest:
        rest = rest[file.write(rest) or 0 :]
