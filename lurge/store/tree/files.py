"""The Parquet files of an index, read by rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lurge.errors import TreeError
from lurge.store.tree.footers import FOOTERS, Footer
from lurge.store.tree.layout import DIRECTORIES, FILETYPE, file_of

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
    except (pa.ArrowException, OSError, IndexError, OverflowError, ValueError) as error:
        raise TreeError(f"{path} cannot be read: {error}", REBUILD) from error


class Files:
    """The Parquet files of an index, opened when they are needed. Only one thread may use them.

    names: of all files, below the folder. is_current: tells whether they are still those of the same index.
    """

    def __init__(self, folder: Path, names: Collection[str], is_current: Callable[[], bool]) -> None:
        self._folder, self._names, self._is_current = folder, names, is_current
        self._open: dict[tuple[str, int], tuple[pq.ParquetFile, Footer]] = {}

    def open(self, kind: str, depth: int) -> tuple[pq.ParquetFile, Footer] | None:
        """A file with its footer; None if the index has none of that kind and depth."""
        key = kind, depth
        if key not in self._open:
            path = file_of(self._folder, kind, depth)
            # A file that the index should have and that is gone is an error, which ParquetFile raises.
            if str(path.relative_to(self._folder)) not in self._names:
                return None
            with reading(path):
                opened = FOOTERS.open(path, [FILETYPE.name] if kind != DIRECTORIES else [])
            if not self._is_current():
                raise TreeError(f"{self._folder} was replaced while it was read", "Ask again.")
            self._open[key] = opened
        return self._open[key]

    def rows(self, kind: str, depth: int, start: int, count: int, columns: Sequence[str]) -> pa.Table | None:
        """Some rows of a file; None if there are none."""
        opened = self.open(kind, depth)
        if opened is None or not count:
            return None
        file, footer = opened
        first, last = start // footer.group_rows, (start + count - 1) // footer.group_rows
        with reading(file_of(self._folder, kind, depth)):
            if not 0 <= start <= start + count <= footer.metadata.num_rows:
                raise IndexError(f"no rows {start} to {start + count}")
            table = file.read_row_groups(range(first, last + 1), columns=list(columns), use_threads=False)
        return table.slice(start - first * footer.group_rows, count)

    def groups(self, kind: str, depth: int, column: str, value: Any) -> Iterator[tuple[int, pa.Array]]:
        """The row groups that may hold a value of a column: the first row of each, and the column there."""
        opened = self.open(kind, depth)
        if opened is None:
            return
        file, footer = opened
        for number, bound in enumerate(footer.bounds(file.schema_arrow.get_field_index(column))):
            if bound is None or bound[0] <= value <= bound[1]:
                with reading(file_of(self._folder, kind, depth)):
                    table = file.read_row_group(number, columns=[column], use_threads=False)
                yield number * footer.group_rows, table[column]
