"""The Parquet files of an index, read by rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lurge.errors import TreeError
from lurge.store.tree.layout import ROWS, file_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


REBUILD = "Build it again, if its dump still exists: lurge backfill --tree YYYY-MM-DD."


def check_files(folder: Path, sizes: Mapping[str, int]) -> None:
    """Raise TreeError if a file of an index is missing or was not copied whole. sizes: bytes of each file."""
    for name, size in sizes.items():
        try:
            present = (folder / name).stat().st_size
        except OSError as error:
            raise TreeError(f"{folder / name} cannot be read: {error.strerror}", REBUILD) from error
        if present != size:
            raise TreeError(f"{folder / name} has {present} bytes instead of {size}", REBUILD)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors of a damaged file into TreeError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, IndexError) as error:
        raise TreeError(f"{path} cannot be read: {error}", REBUILD) from error


class Files:
    """The Parquet files of an index, opened when they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, int], pq.ParquetFile] = {}
        self._bounds: dict[tuple[str, int, str], list[tuple[Any, Any] | None]] = {}

    def open(self, kind: str, depth: int) -> pq.ParquetFile | None:
        """A file; None if the index has none of that kind and depth."""
        import pyarrow.parquet as pq

        key = kind, depth
        if key not in self._open:
            path = file_of(self._folder, kind, depth)
            if not path.is_file():
                return None
            with reading(path):
                self._open[key] = pq.ParquetFile(path, pre_buffer=False)
        return self._open[key]

    def rows(self, kind: str, depth: int, start: int, count: int, columns: Sequence[str]) -> pa.Table | None:
        """Some rows of a file; None if there are none."""
        file = self.open(kind, depth)
        if file is None or not count:
            return None
        first, last = start // ROWS[kind], (start + count - 1) // ROWS[kind]
        with reading(file_of(self._folder, kind, depth)):
            table = file.read_row_groups(range(first, last + 1), columns=list(columns), use_threads=False)
        return table.slice(start - first * ROWS[kind], count)

    def groups(self, kind: str, depth: int, column: str, value: Any) -> list[int]:
        """The row groups that may hold a value of a column."""
        file = self.open(kind, depth)
        if file is None:
            return []
        key = kind, depth, column
        if key not in self._bounds:
            number = file.schema_arrow.get_field_index(column)
            statistics = [file.metadata.row_group(i).column(number).statistics for i in range(file.num_row_groups)]
            # A very long path has no statistics.
            known = [one is not None and one.has_min_max for one in statistics]
            self._bounds[key] = [
                (one.min, one.max) if has else None for one, has in zip(statistics, known, strict=True)
            ]
        bounds = self._bounds[key]
        return [i for i, bound in enumerate(bounds) if bound is None or bound[0] <= value <= bound[1]]
