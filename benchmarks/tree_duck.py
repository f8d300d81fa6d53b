"""Questions to a tree index with DuckDB, as one side of `benchmarks.tree`.

It reads the same Parquet files, in one warm connection with all cores, which keeps the metadata of the files. A path is
looked up by the smallest and largest path of each row group. Its children, and their rows of usage, are ranges of ids,
so that only row groups that hold some are read.

These are the fastest of several queries that were tried. For a directory of 10,000 children among 5 million, ranges of
rows in the file (`file_row_number`) take 1.8 times as long, one query that joins the directory with its children at
least 3 times, and without `parquet_metadata_cache` it is 5 times.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lurge.model.tree import AGE_DAYS
from lurge.store.tree.layout import BINS, COUNTS, DEPTH_SHIFT, DIRECTORIES, TIMES, USAGE

if TYPE_CHECKING:
    import pandas as pd

# A time is null if it may be that of records which do not match the age: see lurge.store.tree.usage.
FILTERED = """
select decode(path) as path, sums.* exclude (directory)
from {directories} join (
    select directory, {sums}
    from (select directory, files, directories, records as all_records, {times}, {records} as records, {size} as bytes
          from {usage} where directory between {first} and {last} and {condition})
    where records > 0 group by directory
) as sums on id = directory
where id between {first} and {last}
"""

ALL = """
select decode(path) as path, {measures} from {directories} where id between {first} and {last} and records > 0
"""

GROWTH = """
select path, coalesce(now.bytes, 0) as bytes, coalesce(now.records, 0) as records,
    coalesce(old.bytes, 0) as bytes_before, coalesce(old.records, 0) as records_before,
    coalesce(now.bytes, 0) - coalesce(old.bytes, 0) as bytes_growth,
    coalesce(now.records, 0) - coalesce(old.records, 0) as records_growth
from ({now}) as now full join ({old}) as old using (path) order by bytes_growth desc
"""

Filters = dict[str, Any]


class DuckTree:
    """The index of a date, and one of an older date, in DuckDB."""

    def __init__(self, folder: Path, older: Path) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("set parquet_metadata_cache = true")
        self._depths = {}
        for name, index in (("now", folder), ("old", older)):
            for kind in (DIRECTORIES, USAGE):
                files = sorted((index / kind).iterdir())
                self._depths[name] = len(files)
                for file in files:
                    view = f"{name}_{kind}_{int(file.stem)}"
                    self._connection.execute(f"create view {view} as from read_parquet('{file}')")
        (top,) = self._connection.execute(f"select path from now_{DIRECTORIES}_0").fetchone() or (b"/",)  # noqa: S608
        self._top = top.rstrip(b"/")

    def children(self, path: str, filters: Filters) -> pd.DataFrame:
        """The children of a directory, in the order of their names, times as Unix seconds."""
        statement, values = self._children("now", path, filters)
        return self._connection.execute(f"{statement} order by id", values).df()

    def compare(self, path: str, filters: Filters) -> pd.DataFrame:
        """The children of a directory at both dates, and their growth."""
        now, values = self._children("now", path, filters)
        old, old_values = self._children("old", path, filters)
        return self._connection.execute(GROWTH.format(now=now, old=old), {**values, **old_values}).df()

    def _children(self, name: str, path: str, filters: Filters) -> tuple[str, dict[str, Any]]:
        """The query of the children of a directory, and its parameters."""
        place = os.fsencode(path)
        depth = place[len(self._top) :].count(b"/")
        found = self._connection.execute(
            f"select first_child, children from {name}_{DIRECTORIES}_{depth} where path = $path",  # noqa: S608
            {"path": place},
        ).fetchone()
        first, count = found or (0, 0)
        # If no directory is so deep, there is no child, and any file will do.
        below = min(depth + 1, self._depths[name] - 1)
        start = ((depth + 1) << DEPTH_SHIFT) + first
        ends = {f"{name}_first": start, f"{name}_last": start + count - 1}
        parts = {
            "directories": f"{name}_{DIRECTORIES}_{below}", "usage": f"{name}_{USAGE}_{below}",
            "first": f"${name}_first", "last": f"${name}_last",
        }  # fmt: skip
        if not filters:
            return ALL.format(measures=", ".join((*COUNTS, *TIMES)), **parts), ends
        condition, values = condition_of(filters)
        age, by = filters.get("older_than"), filters.get("by", "mtime")
        sizes = {
            "records": bins("records", age, by), "size": bins("bytes", age, by), "sums": sums(by),
            "times": ", ".join(TIMES), "condition": condition,
        }  # fmt: skip
        return FILTERED.format(**sizes, **parts), ends | values


def condition_of(filters: Filters) -> tuple[str, Filters]:
    """The condition of the rows of usage that match a filter, and its parameters."""
    conditions, values = ["true"], {}
    for name, column in (("groups", "gid"), ("users", "uid"), ("filetypes", "filetype")):
        if name in filters:
            chosen = {f"{column}_{number}": value for number, value in enumerate(filters[name])}
            conditions.append(f"{column} in ({', '.join(f'${one}' for one in chosen)})")
            values |= chosen
    return " and ".join(conditions), values


def bins(sum_of: str, age: int | None, by: str) -> str:
    """The records or bytes of a row that match an age."""
    first = 0 if age is None else AGE_DAYS.index(age) + 1
    return " + ".join(f"{sum_of}_{by}_{number}" for number in range(first, BINS)) if first else sum_of


def sums(by: str) -> str:
    """The sums of a directory, from rows with records that match."""
    columns = ["sum(records)::bigint as records"]
    columns += [f"sum(case when {kind} > 0 then records else 0 end)::bigint as {kind}" for kind in COUNTS[1:3]]
    columns.append("sum(bytes)::bigint as bytes")
    for time in TIMES:
        extreme = f"{'min' if time.startswith('oldest') else 'max'}({time})"
        is_kept = time == f"oldest_{by}"
        columns.append(
            f"{extreme if is_kept else f'case when bool_and(records = all_records) then {extreme} end'} as {time}"
        )
    return ", ".join(columns)
