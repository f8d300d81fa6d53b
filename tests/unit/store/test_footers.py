from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lurge.store.tree import footers
from lurge.store.tree.footers import Footers


def write(path: Path, first: int, rows: int = 40) -> None:
    """Write a file beside a path, and rename it."""
    beside = path.with_suffix(".new")
    pq.write_table(pa.table({"id": range(first, first + rows)}), beside, row_group_size=10)
    beside.replace(path)


def values(kept: Footers, path: Path) -> list[int]:
    file, _ = kept.open(path)
    listed: list[int] = file.read()["id"].to_pylist()
    return listed


def test_a_footer_is_kept_until_its_file_is_replaced(tmp_path: Path) -> None:
    kept, path = Footers(), tmp_path / "file"
    write(path, 0)
    file, footer = kept.open(path)
    assert kept.open(path)[1] is footer
    assert footer.bounds(0) == [(0, 9), (10, 19), (20, 29), (30, 39)]
    assert footer.group_rows == 10
    write(path, 100)
    assert values(kept, path) == list(range(100, 140))
    assert kept.open(path)[1].bounds(0)[0] == (100, 109)
    # Who has a file open still reads what was there.
    assert file.read()["id"].to_pylist() == list(range(40))


def test_the_footers_that_were_not_used_for_longest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, paths = Footers(), [tmp_path / str(number) for number in range(5)]
    for path in paths:
        write(path, 0)
    monkeypatch.setattr(footers, "MOST_KEPT", 3 * pq.read_metadata(paths[0]).serialized_size)
    known = [kept.open(path)[1] for path in paths[:3]]
    assert kept.open(paths[0])[1] is known[0]
    kept.open(paths[3])
    assert kept.open(paths[0])[1] is known[0]
    assert kept.open(paths[1])[1] is not known[1]


def test_threads_share_footers_while_the_file_is_replaced(tmp_path: Path) -> None:
    kept, path = Footers(), tmp_path / "file"
    write(path, 0)

    def read(number: int) -> bool:
        if number % 10 == 0:
            write(path.with_name(f"{number}"), number)
            path.with_name(f"{number}").replace(path)
        listed = values(kept, path)
        return listed == list(range(listed[0], listed[0] + 40))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(400)))
