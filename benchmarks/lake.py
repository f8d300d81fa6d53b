"""Benchmark of `lurge lake load` beside pyarrow, DuckDB and Polars, which read the same CSV and write the same Parquet.

    python -m benchmarks.lake [--rows N] [--runs N] [--folder FOLDER]

Needs `pip install duckdb polars`. The others only read and write, without comparing checksums, decoding keys, sorting
and committing. pyarrow reads a file on each core. Each figure is the best of some runs, with the start of the program;
the peak is of one process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GROUP_ROWS = 1 << 17
SIDES = ("pyarrow", "duckdb", "polars")


@dataclass(frozen=True)
class Run:
    """seconds: of wall time. peak: MiB of resident memory."""

    seconds: float
    peak: float


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a program; exits if it fails."""
    started = time.perf_counter()
    process = os.posix_spawn(
        command[0], command, {**os.environ, "PYTHONPATH": str(Path.cwd())},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed in {folder}")
    return Run(time.perf_counter() - started, usage.ru_maxrss / 1024)


def types() -> dict[str, Any]:
    """The columns of the inventory, with their types in Arrow."""
    from lurge.model.inventory import COLUMNS, column_of
    from lurge.source.synth.inventories import FIELDS

    return {name: COLUMNS[name] for name in map(column_of, FIELDS)}


def read_and_write_with_pyarrow(files: Sequence[str], target: str) -> None:
    """What pyarrow alone needs: each core reads a file at a time, and writes one."""
    import pyarrow as pa
    from pyarrow import csv
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema(list(types().items()))
    reading = csv.ReadOptions(column_names=schema.names, block_size=8 << 20)
    converting = csv.ConvertOptions(column_types=types(), null_values=[""], strings_can_be_null=True)

    def convert(number: int) -> None:
        waiting: list[pa.RecordBatch] = []
        with (
            ParquetWriter(f"{target}/{number}.parquet", schema, compression="zstd", compression_level=1) as writer,
            csv.open_csv(files[number], reading, convert_options=converting) as batches,
        ):
            for batch in batches:
                waiting.append(batch)
                if sum(one.num_rows for one in waiting) >= GROUP_ROWS:
                    writer.write_table(pa.Table.from_batches(waiting))
                    waiting.clear()
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(convert, range(len(files))))


def read_and_write_with_duckdb(files: Sequence[str], target: str) -> None:
    import duckdb

    kinds = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN"}
    columns = {name: kinds.get(str(kind), "TIMESTAMPTZ") for name, kind in types().items()}
    source = f"read_csv({list(files)}, header = false, columns = {columns}, auto_detect = false, nullstr = '')"
    form = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PER_THREAD_OUTPUT true, OVERWRITE_OR_IGNORE true"
    duckdb.execute(f"COPY (SELECT * FROM {source}) TO '{target}' ({form})")  # noqa: S608  files of our own


def read_and_write_with_polars(files: Sequence[str], target: str) -> None:
    import polars as pl

    kinds = {"string": pl.String, "int64": pl.Int64, "bool": pl.Boolean}
    schema = {name: kinds.get(str(kind), pl.String) for name, kind in types().items()}
    frame = pl.scan_csv(list(files), has_header=False, schema=schema, null_values=[""])
    times = [
        pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_zone="UTC", time_unit="us")
        for name, kind in types().items()
        if str(kind).startswith("timestamp")
    ]
    frame.with_columns(times).sink_parquet(f"{target}/all.parquet", compression="zstd", compression_level=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lake")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to make the inventory")
    parser.add_argument("--side", choices=SIDES, help="be one of the other sides")
    parser.add_argument("paths", nargs="*")
    options = parser.parse_args()
    if options.side:
        *files, target = options.paths
        globals()[f"read_and_write_with_{options.side}"](files, target)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        site = folder / "site"
        rows = options.rows
        lurge = [sys.executable, "-m", "lurge"]
        synth = ["synth", "--buckets", "1", "--records", str(rows), "--format", "CSV", "--output", str(site)]
        made = run([*lurge, *synth], folder)
        print(f"{rows:,} rows made in {made.seconds:.1f} s, {rows / made.seconds:,.0f} a second")
        files = sorted(map(str, site.rglob("*.csv.gz")))
        load = [*lurge, "lake", "load", "--quiet", "--config", str(site / "lurge.toml")]
        sides = {"lurge, alone": load, "lurge, 3 ranks": [*load, "-n", "3"]}
        for side in SIDES:
            sides[side] = [sys.executable, "-m", "benchmarks.lake", "--side", side, *files, str(folder / side)]
        best: dict[str, Run] = {}
        for _ in range(options.runs):
            for name, command in sides.items():
                shutil.rmtree(site / "out", ignore_errors=True)
                for side in SIDES:
                    shutil.rmtree(folder / side, ignore_errors=True)
                    (folder / side).mkdir()
                done = run(command, folder)
                if name not in best or done.seconds < best[name].seconds:
                    best[name] = done
        print("| side | seconds | rows a second | of pyarrow's | MiB |\n| --- | --: | --: | --: | --: |")
        for name, one in best.items():
            share = best["pyarrow"].seconds / one.seconds
            print(f"| {name} | {one.seconds:.1f} | {rows / one.seconds:,.0f} | {share:.0%} | {one.peak:,.0f} |")


if __name__ == "__main__":
    main()
