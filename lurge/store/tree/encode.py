"""Encoding row groups of an index."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.aggregate.rollup import Numbers, Text
from lurge.kernels.pages import (
    CODE_SLOTS,
    MANY,
    MOST_CODES,
    TILE,
    USAGE_COLUMNS,
    USAGE_NUMBERS,
    extremes,
    write_columns,
)
from lurge.model.tree import ENDS
from lurge.store.tree.layout import DIRECTORIES, FILETYPE, OWN, PATH, ROWS, TIMES, USAGE, columns_of
from lurge.store.tree.parquet import Chunk, Dictionary, codes, encode, plain, plain_texts, with_levels

LEVEL = 1
"""Of Zstandard: level 3 takes a third more time, and saves nothing."""


ROWS_A_VALUE = 4
"""Least number of rows for each value of a dictionary: a dictionary for few rows takes more room than it saves."""


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers. values: int64[rows], or int64[n] of which codes, uint8[rows], has the place of each row."""

    values: Numbers
    codes: npt.NDArray[np.uint8] | None

    def encode(self, encoder: Encoder, rows: int, bounds: tuple[bytes, bytes] | None) -> Chunk:
        values = self.values.astype("<i8", copy=False).data.cast("B")
        if self.codes is None:
            return encode(rows, values, encoder.compress, bounds)
        dictionary = Dictionary(len(self.values), values)
        return encode(rows, codes(self.codes, dictionary.size), encoder.compress, bounds, dictionary)


class Encoder:
    """The compressor and the reused memory of one thread that encodes row groups."""

    def __init__(self) -> None:
        from zstandard import ZstdCompressionParameters, ZstdCompressor

        parameters = ZstdCompressionParameters.from_level(LEVEL, hash_log=12, min_match=7)
        self.compress = ZstdCompressor(compression_params=parameters).compress
        numbers, rows = len(USAGE_NUMBERS), max(ROWS[USAGE], ROWS[OWN])
        self._values, self._codes = np.empty((numbers, rows), np.int64), np.empty((numbers, rows), np.uint8)
        self._dictionaries = np.empty((numbers, MOST_CODES), np.int64)
        self._slots = np.empty((numbers, CODE_SLOTS), np.uint16)
        self._tile = np.empty((TILE, USAGE_COLUMNS), np.int64)

    def columns(self, text: Text, ids: Numbers, types: int) -> tuple[list[NumberColumn], npt.NDArray[np.uint32]]:
        """The numbers of rows of usage by columns, valid until the next call; and the filetypes.

        text: cells with VECTOR bytes behind them, and ids: the directory, of each row. types: number of filetypes with
        suffixes.
        """
        rows = len(ids)
        counts, filetypes = np.zeros(len(USAGE_NUMBERS), np.int64), np.empty(rows, np.uint32)
        self._slots[:] = 0
        write_columns(
            self._values, self._codes, self._dictionaries, counts, self._slots, filetypes, self._tile, text, ids, types,
            min(rows // ROWS_A_VALUE, MOST_CODES),
        )  # fmt: skip
        columns = [
            NumberColumn(self._values[number, :rows], None)
            if count == MANY
            else NumberColumn(self._dictionaries[number, :count], self._codes[number, :rows])
            for number, count in enumerate(counts.tolist())
        ]
        return columns, filetypes


OF_THREAD = threading.local()


def encoder_of_thread() -> Encoder:
    """The encoder of this thread."""
    if not hasattr(OF_THREAD, "encoder"):
        OF_THREAD.encoder = Encoder()
    encoder: Encoder = OF_THREAD.encoder
    return encoder


class EncodedRows(ABC):
    """Rows that any process of a crew can encode."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of rows."""

    @abstractmethod
    def encode(self, encoder: Encoder) -> Iterator[Chunk]:
        """The pages of each column."""

    def run(self, is_stopped: Callable[[], bool]) -> list[Chunk]:
        """Encode all columns, as a part for a crew."""
        return list(self.encode(encoder_of_thread()))


@dataclass(frozen=True)
class UsageRows(EncodedRows):
    """Rows of usage.

    filetypes: the names of all by their numbers. ids: int64, increasing. text: uint8, cells with VECTOR bytes behind
    them, which kernels may read, whichever process encodes.
    """

    kind: str
    filetypes: tuple[bytes, ...]
    ids: Numbers
    text: Text

    @property
    def count(self) -> int:
        return len(self.ids)

    def encode(self, encoder: Encoder) -> Iterator[Chunk]:
        columns, filetypes = encoder.columns(self.text, self.ids, len(self.filetypes) - len(ENDS))
        numbers = iter(columns)
        for column in columns_of(self.kind):
            if column is FILETYPE:
                dictionary = Dictionary(len(self.filetypes), plain_texts(self.filetypes))
                page = codes(filetypes, dictionary.size)
                yield encode(self.count, page, encoder.compress, dictionary=dictionary)
            else:
                bounds = ends_of(self.ids) if column.name == "directory" else None
                yield next(numbers).encode(encoder, self.count, bounds)


@dataclass(frozen=True)
class DirectoryRows(EncodedRows):
    """Directories. numbers: int64[columns, n]; text: uint8, paths, and places: int64[n, 2], start and length of each.

    A parent is null at the top, times where there is no record.
    """

    numbers: Numbers
    places: Numbers
    text: Text

    @property
    def count(self) -> int:
        return len(self.places)

    def encode(self, encoder: Encoder) -> Iterator[Chunk]:
        columns = columns_of(DIRECTORIES)
        names = [column.name for column in columns if column is not PATH]
        values = dict(zip(names, self.numbers, strict=True))
        missing = dict.fromkeys(TIMES, values["records"] == 0) | {"parent": values["depth"] == 0}
        for column in columns:
            if column is PATH:
                least, greatest = (self._path(number) for number in extremes(self.text, self.places))
                yield encode(self.count, self.text.data, encoder.compress, (least, greatest))
                continue
            these = values[column.name]
            page = with_levels(these, missing[column.name]) if column.is_optional else plain(these)
            bounds = ends_of(these) if column.name == "id" else None
            yield encode(self.count, page, encoder.compress, bounds)

    def _path(self, number: int) -> bytes:
        start, length = self.places[number].tolist()
        return self.text[start : start + length].tobytes()


def ends_of(numbers: Numbers) -> tuple[bytes, bytes]:
    """The first and the last of some numbers, as PLAIN has them."""
    return plain(numbers[:1]), plain(numbers[-1:])
