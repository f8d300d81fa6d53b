"""The footers of Parquet files, kept between readers: to read that of a file of millions of rows takes 20 ms."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MOST_KEPT = 2**24
"""Bytes of the footers that are kept, as they are in their files. In memory they take about 15 times as much."""

Bounds = list[tuple[Any, Any] | None]


class Footer:
    """The footer of a file, and bounds of columns in its row groups. It does not change, so threads may share it."""

    def __init__(self, metadata: pq.FileMetaData) -> None:
        self.metadata = metadata
        self.group_rows: int = max(1, metadata.row_group(0).num_rows) if metadata.num_row_groups else 1
        """Rows of each row group; the last may have fewer."""
        self._bounds: dict[int, Bounds] = {}

    def bounds(self, column: int) -> Bounds:
        """The least and the greatest value of a column in each row group; None if the file does not tell."""
        if column not in self._bounds:
            groups = range(self.metadata.num_row_groups)
            statistics = [self.metadata.row_group(number).column(column).statistics for number in groups]
            # A very long path has no statistics.
            self._bounds[column] = [
                (one.min, one.max) if one is not None and one.has_min_max else None for one in statistics
            ]
        return self._bounds[column]


class Footers:
    """The footers that were used last. They are known by their file itself: an index may be replaced at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, ...], Footer] = OrderedDict()
        self._bytes = 0

    def open(self, path: Path, names: Sequence[str] = ()) -> tuple[pq.ParquetFile, Footer]:
        """Open a file for one thread. names: columns of texts that are few. Raises OSError, ArrowException."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        source = pa.OSFile(str(path))
        state = os.fstat(source.fileno())
        key = state.st_dev, state.st_ino, state.st_ctime_ns, state.st_size
        with self._lock:
            footer = self._kept.get(key)
            if footer:
                self._kept.move_to_end(key)
        file = pq.ParquetFile(
            source, read_dictionary=names, pre_buffer=False, metadata=footer.metadata if footer else None
        )
        if footer is None:
            footer = Footer(file.metadata)
            self._keep(key, footer)
        return file, footer

    def _keep(self, key: tuple[int, ...], footer: Footer) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = footer
                self._bytes += footer.metadata.serialized_size
            while self._bytes > MOST_KEPT:
                self._bytes -= self._kept.popitem(last=False)[1].metadata.serialized_size


FOOTERS = Footers()
"""The footers of this process."""
