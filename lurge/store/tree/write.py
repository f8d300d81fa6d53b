"""Writing the Parquet files of an index, one for each kind and depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lurge.aggregate.rollup import RolledUp
from lurge.kernels.rollup import CELL_COUNT, CHILD, CHILDREN, MEASURES, NAME_LENGTH, NAME_START, PARENT, TOTAL
from lurge.kernels.tree import BINS, BYTES, FIRST_A, FIRST_M, GID, KEY, LAST_A, LAST_M, RECORDS, UID_SHIFT
from lurge.model.tree import DIRECTORY, ENDS, LINK, SPECIAL
from lurge.store.tree.layout import DEPTH_SHIFT, DIRECTORIES, OWN, ROWS, USAGE, file_of, schema_of, writer_options

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = npt.NDArray[np.int64]


class RowWriter:
    """One file, whose row groups are all of the same number of rows but the last."""

    def __init__(self, path: Path, kind: str) -> None:
        import pyarrow.parquet as pq

        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema, self._rows = schema_of(kind), ROWS[kind]
        self._writer = pq.ParquetWriter(path, self._schema, **writer_options(kind))
        self._waiting: list[pa.Table] = []
        self._count = 0
        self.rows = 0

    def add(self, columns: Sequence[Any]) -> None:
        """Add some rows. columns: as in the schema."""
        import pyarrow as pa

        arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self.rows += len(table)
        self._waiting.append(table)
        self._count += len(table)
        while self._count >= self._rows:
            table = pa.concat_tables(self._waiting)
            whole = len(table) // self._rows * self._rows
            self._writer.write_table(table.slice(0, whole).combine_chunks(), row_group_size=self._rows)
            rest = table.slice(whole)
            self._waiting, self._count = [rest], len(rest)

    def close(self) -> None:
        """Write the remaining rows."""
        import pyarrow as pa

        if self._count:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=self._rows)
        self._writer.close()


class IndexWriter:
    """All files of an index. filetypes: the names of all filetypes by their numbers."""

    def __init__(self, folder: Path, filetypes: Sequence[str]) -> None:
        self._folder = folder
        self._filetypes = list(filetypes)
        self._writers: dict[tuple[str, int], RowWriter] = {}
        self.directories = 0

    def _writer(self, kind: str, depth: int) -> RowWriter:
        if (kind, depth) not in self._writers:
            self._writers[kind, depth] = RowWriter(file_of(self._folder, kind, depth), kind)
        return self._writers[kind, depth]

    def add(self, part: RolledUp) -> None:
        """Add finished directories."""
        if len(part.directories):
            self._add_directories(part.directories, part.names, part.cells)
        if len(part.own):
            self._add_own(part.own, part.own_cells)

    def _add_directories(self, rows: Numbers, names: npt.NDArray[np.uint8], cells: Numbers) -> None:
        depths = rows[:, 0]
        of_cells = np.repeat(depths, rows[:, CELL_COUNT])
        for depth in np.unique(depths).tolist():
            here = rows[depths == depth]
            writer, usage = self._writer(DIRECTORIES, depth), self._writer(USAGE, depth)
            ids = (depth << DEPTH_SHIFT) + writer.rows + np.arange(len(here))
            counts = here[:, CELL_COUNT]
            writer.add([
                ids, masked(((depth - 1) << DEPTH_SHIFT) + here[:, PARENT], np.full(len(here), depth == 0)), here[:, 0],
                paths_of(names, here[:, NAME_START], here[:, NAME_LENGTH]),
                *here[:, TOTAL : TOTAL + 4].T, *times(here[:, TOTAL + 4 : TOTAL + MEASURES], here[:, TOTAL] == 0),
                here[:, CHILD], here[:, CHILDREN], usage.rows + np.cumsum(counts) - counts, counts,
            ])  # fmt: skip
            self._add_cells(usage, np.repeat(ids, counts), cells[of_cells == depth])
            self.directories += len(here)

    def _add_own(self, rows: Numbers, cells: Numbers) -> None:
        of_cells = np.repeat(rows[:, 0], rows[:, 2])
        for depth in np.unique(rows[:, 0]).tolist():
            here = rows[rows[:, 0] == depth]
            ids = np.repeat((depth << DEPTH_SHIFT) + here[:, 1], here[:, 2])
            self._add_cells(self._writer(OWN, depth), ids, cells[of_cells == depth])

    def _add_cells(self, writer: RowWriter, ids: Numbers, cells: Numbers) -> None:
        filetype, records = cells[:, KEY] & 0xFFFFFFFF, cells[:, RECORDS]
        ends = {name: len(self._filetypes) - len(ENDS) + number for number, name in enumerate(ENDS)}
        is_directory = filetype == ends[DIRECTORY]
        is_file = ~is_directory & (filetype != ends[LINK]) & (filetype != ends[SPECIAL])
        writer.add([
            ids, cells[:, GID], cells[:, KEY] >> UID_SHIFT & 0xFFFFFFFF, self._names_of(filetype),
            records, records * is_file, records * is_directory,
            *(cells[:, column] for column in (BYTES, FIRST_M, LAST_M, FIRST_A, LAST_A)), *cells[:, BINS:].T,
        ])  # fmt: skip

    def _names_of(self, numbers: Numbers) -> Any:
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(
            pa.array(numbers.astype(np.int32)), pa.array(self._filetypes, pa.string())
        )

    def close(self) -> Mapping[str, int]:
        """Finish all files; returns the number of rows of each kind."""
        rows: dict[str, int] = {}
        for (kind, _), writer in self._writers.items():
            writer.close()
            rows[kind] = rows.get(kind, 0) + writer.rows
        return rows


def masked(numbers: Numbers, mask: npt.NDArray[np.bool_]) -> Any:
    """Numbers with nulls where `mask` is true."""
    import pyarrow as pa

    return pa.array(numbers, pa.int64(), mask=mask)


def times(columns: Numbers, nothing: npt.NDArray[np.bool_]) -> list[Any]:
    """Columns of times, null where there is no record."""
    return [masked(column, nothing) for column in columns.T]


def paths_of(names: npt.NDArray[np.uint8], starts: Numbers, lengths: Numbers) -> list[bytes]:
    """Paths from translated names."""
    text = FROM_TRANSLATED[names].tobytes()
    return [
        text[start : start + length] or b"/" for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]


FROM_TRANSLATED = np.array([47, *range(47), *range(48, 256)], np.uint8)
"""uint8[256]: the byte of a path that each byte of a translated one stands for."""

TO_TRANSLATED = np.empty(256, np.uint8)
TO_TRANSLATED[FROM_TRANSLATED] = np.arange(256)
