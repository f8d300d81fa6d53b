"""Encoding row groups of an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.aggregate.rollup import Numbers, Text
from lurge.kernels.pages import TILE, USAGE_COLUMNS, USAGE_NUMBERS, VALUE_BYTES, extremes, split_rows
from lurge.model.tree import ENDS
from lurge.store.tree.layout import FILETYPE, OWN, PATH, ROWS, TIMES, USAGE
from lurge.store.tree.parquet import Chunk, Column, encode, indices, plain, with_levels

LEVEL = 1
"""Of Zstandard: level 3 takes a third more time, and saves nothing."""


class Encoder:
    """The compressor and the reused memory of one thread that encodes row groups."""

    def __init__(self) -> None:
        from zstandard import ZstdCompressor

        self.compress = ZstdCompressor(level=LEVEL).compress
        self._planes = np.empty(len(USAGE_NUMBERS) * VALUE_BYTES * max(ROWS[USAGE], ROWS[OWN]), np.uint8)
        self._scratch = np.empty((TILE, USAGE_COLUMNS), np.int64), np.empty(TILE, np.int64)

    def split(self, text: Text, ids: Numbers, types: int) -> tuple[Text, npt.NDArray[np.uint32]]:
        """The numbers of rows of usage, split: uint8[numbers, 8 * rows], until the next call; and the filetypes.

        text: cells, and ids: the directory, of each row. types: number of filetypes with suffixes.
        """
        planes = self._planes[: len(USAGE_NUMBERS) * VALUE_BYTES * len(ids)]
        planes[:] = 0
        filetypes = np.empty(len(ids), np.uint32)
        split_rows(planes, filetypes, *self._scratch, text, ids, types)
        return planes.reshape(len(USAGE_NUMBERS), -1), filetypes


@dataclass(frozen=True)
class UsageRows:
    """Rows of usage. filetypes: the names of all by their numbers; ids: int64, increasing; text: uint8, cells."""

    columns: Sequence[Column]
    filetypes: Sequence[bytes]
    ids: Numbers
    text: Text

    @property
    def count(self) -> int:
        return len(self.ids)

    def encode(self, encoder: Encoder) -> Iterator[Chunk]:
        planes, filetypes = encoder.split(self.text, self.ids, len(self.filetypes) - len(ENDS))
        pages = iter(planes)
        for column in self.columns:
            if column is FILETYPE:
                page = indices(filetypes, len(self.filetypes))
                yield encode(column, self.count, page, encoder.compress, dictionary=self.filetypes)
            else:
                bounds = ends_of(self.ids) if column.name == "directory" else None
                yield encode(column, self.count, next(pages).data, encoder.compress, bounds)


@dataclass(frozen=True)
class DirectoryRows:
    """Directories. numbers: int64[columns, n]; text: uint8, paths, and places: int64[n, 2], start and length of each.

    A parent is null at the top, times where there is no record.
    """

    columns: Sequence[Column]
    numbers: Numbers
    places: Numbers
    text: Text

    @property
    def count(self) -> int:
        return len(self.places)

    def encode(self, encoder: Encoder) -> Iterator[Chunk]:
        names = [column.name for column in self.columns if column is not PATH]
        values = dict(zip(names, self.numbers, strict=True))
        missing = dict.fromkeys(TIMES, values["records"] == 0) | {"parent": values["depth"] == 0}
        for column in self.columns:
            if column is PATH:
                least, greatest = (self._path(number) for number in extremes(self.text, self.places))
                yield encode(column, self.count, self.text.data, encoder.compress, (least, greatest))
                continue
            these = values[column.name]
            page = with_levels(these, missing[column.name]) if column.is_optional else plain(these)
            bounds = ends_of(these) if column.name == "id" else None
            yield encode(column, self.count, page, encoder.compress, bounds)

    def _path(self, number: int) -> bytes:
        start, length = self.places[number].tolist()
        return self.text[start : start + length].tobytes()


Rows = UsageRows | DirectoryRows


def ends_of(numbers: Numbers) -> tuple[bytes, bytes]:
    """The first and the last of some numbers, as PLAIN has them."""
    return plain(numbers[:1]), plain(numbers[-1:])
