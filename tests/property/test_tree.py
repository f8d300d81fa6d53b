"""The tree index and its plain twin are equal for any lines, which may come in any portions."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lurge.aggregate import tree as tally
from lurge.aggregate.plain_tree import LARGEST, Cells, PlainTree
from lurge.aggregate.volume import Pass
from lurge.model.era import QUOTED_11, QUOTED_12, STANDARD_11, Era
from lurge.parallel.blocks import Buffers, cut
from lurge.parallel.crew import ThreadCrew
from lurge.store.tree.build import TreeIndex
from lurge.store.tree.layout import BIN_COLUMNS, DIRECTORIES, KINDS, OWN, TIMES, USAGE
from tests.property.test_kernel import RULES, texts
from tests.streams import arriving

Rows = list[Any]


def read_all(folder: Path, kind: str) -> Rows:
    return [row for file in sorted((folder / kind).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def index_of(era: Era, lines: list[bytes], mount: str, workers: int, folder: Path) -> None:
    """Build an index as a controller and some workers do."""
    aggregate = TreeIndex(folder, mount, RULES[era].filetypes)
    passes = [Pass(RULES[era], [aggregate]) for _ in range(workers)]
    sink = aggregate.open_sink()
    text = b"".join(line + b"\n" for line in lines)
    for number, batch in enumerate(cut(arriving([text]), 3, Buffers(300))):
        worker = passes[number % workers]
        worker.add(batch.text, batch.first_line)
        for portion in worker.take_portions().values():
            sink.add(batch.first_line, batch.lines, portion)
    merged = Pass(RULES[era], [aggregate])
    for worker in passes:
        merged.merge(worker.export())
    with closing(ThreadCrew(2)) as crew:
        sink.finish(merged.export().tallies["tree"], crew)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.mark.parametrize("era", [STANDARD_11, QUOTED_11, QUOTED_12], ids=str)
@settings(max_examples=25)
@given(
    data=st.data(),
    mount=st.sampled_from(["/p", "/p/foo", "/"]),
    workers=st.integers(1, 3),
    run_bytes=st.sampled_from([1, 300, 1 << 22]),
)
def test_the_index_is_that_of_the_twin(era: Era, data: st.DataObject, mount: str, workers: int, run_bytes: int) -> None:
    lines = data.draw(texts(era))
    twin = PlainTree(RULES[era], mount, RULES[era].filetypes, lines)
    usual = tally.RUN_BYTES
    tally.RUN_BYTES = run_bytes
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder, again = Path(temporary) / "index", Path(temporary) / "again"
            index_of(era, lines, mount, workers, folder)
            compare(twin, folder)
            index_of(era, lines[::-1], mount, 1, again)
            assert bytes_of(folder) == bytes_of(again)
    finally:
        tally.RUN_BYTES = usual


def compare(twin: PlainTree, folder: Path) -> None:
    directories = read_all(folder, DIRECTORIES)
    rows = {kind: read_all(folder, kind) for kind in KINDS}
    paths = {row["id"]: row["path"] for row in directories}
    expected = sorted(twin.below)
    # A component may be empty: only the way from the top tells which directory is meant.
    keys: dict[Any, tuple[bytes, ...]] = {}
    for row in directories:
        last = row["path"].rpartition(b"/")[2]
        keys[row["id"]] = twin.top if row["parent"] is None else (*keys[row["parent"]], last)
    assert sorted(keys.values()) == expected
    assert sorted(paths.values()) == sorted(b"/" + b"/".join(path) for path in expected)
    for row in directories:
        key = keys[row["id"]]
        assert row["path"] == b"/" + b"/".join(key)
        cells = twin.below[key]
        assert row["records"] == sum(cell.records for cell in cells.values())
        assert row["bytes"] == min(sum(cell.bytes for cell in cells.values()), LARGEST)
        assert row["oldest_atime"] == min((cell.oldest_atime for cell in cells.values()), default=None)
        assert row["depth"] == len(key) - len(twin.top)
        assert row["children"] == sum(other["parent"] == row["id"] for other in directories)
        assert cells_of(rows[USAGE], row["id"]) == cell_rows(cells)
        own = cells_of(rows[OWN], row["id"])
        assert own == (cell_rows(twin.own.get(key, {})) if row["children"] else [])
        assert row["files"] == sum(usage["files"] for usage in rows[USAGE] if usage["directory"] == row["id"])
        assert row["directories"] == sum(cell.records for key, cell in cells.items() if key.filetype == "directory")


def cells_of(rows: Rows, directory: object) -> Rows:
    """The rows of a directory by their keys, as `cell_rows` gives them."""
    columns = ("gid", "uid", "filetype", "records", "bytes", *TIMES, *BIN_COLUMNS)
    return sorted([[row[name] for name in columns] for row in rows if row["directory"] == directory])


def cell_rows(cells: Cells) -> Rows:
    return sorted([*key, *list(vars(cell).values())[:-1], *cell.bins] for key, cell in cells.items())
