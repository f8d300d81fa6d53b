"""Benchmark of works: walking trees beside `find`, and loading a backlog into SQLite.

    python -m benchmarks.works [--files N] [--lines N] [--runs N] [--folder FOLDER]

The trees have works of 200 and of 20,000 files. Their directories are in memory after the first walk. The time of
`find` is that of `find PATH -type f | wc -l`; that of a walk is without starting Python. Each figure is the best of
some runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from lurge.config.works import WorksConfig
from lurge.model.works import TreeKey
from lurge.pipeline.works import rules_of
from lurge.source.works import gather

DAY = date(2024, 1, 1)
DATES = 100


def make_tree(folder: Path, files: int, of_a_work: int) -> None:
    """Make works of empty images in one directory each, 50 in a project."""
    for number in range(files // of_a_work):
        work = folder / f"P{number // 50}" / f"W{number}" / "images"
        work.mkdir(parents=True)
        for file in range(of_a_work):
            (work / f"{file:05}.jpg").touch()


def walk(folder: Path, sizes: bool) -> None:
    rules = rules_of(WorksConfig(sizes=sizes))
    for _ in gather(TreeKey("host", "scanned", str(folder)), DAY, rules):
        pass


def find(folder: Path) -> None:
    command = f"find {folder} -type f | wc -l"
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)  # noqa: S602 - a folder of our own


def best(work: Callable[[], None], runs: int) -> float:
    """The shortest time of some runs, in seconds."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def make_backlog(file: Path, lines: int) -> None:
    """Write observations of some works at many dates."""
    with file.open("w") as backlog:
        backlog.write("obsdate,hostname,srcdir,workdir,workCreateDate,state,imagecount\n")
        for day in range(DATES):
            dated = DAY + timedelta(day)
            backlog.writelines(
                f"{dated},h{work % 3},/data/P{work % 50},W{work:06},2020-01-02,scanned,{work % 300 + day}\n"
                for work in range(lines // DATES)
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.works")
    parser.add_argument("--files", type=int, default=400_000, help="files of each tree")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the backlog")
    parser.add_argument("--runs", type=int, default=5, help="runs of each walk")
    parser.add_argument("--folder", type=Path, help="where to make the trees")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        print("| files of a work | with sizes, million files/s | without | find |\n|--:|--:|--:|--:|")
        for of_a_work in (200, 20_000):
            tree = folder / str(of_a_work)
            make_tree(tree, options.files, of_a_work)
            walk(tree, sizes=True)
            works = (partial(walk, tree, True), partial(walk, tree, False), partial(find, tree))
            rates = [options.files / best(work, options.runs) / 10**6 for work in works]
            print(f"| {of_a_work:,} | {' | '.join(f'{rate:.2f}' for rate in rates)} |", flush=True)
        backlog = folder / "backlog.csv"
        make_backlog(backlog, options.lines)
        command = [sys.executable, "-m", "lurge", "works", "load", str(backlog), "--quiet"]
        started = time.perf_counter()
        subprocess.run(command, check=True, cwd=folder)
        seconds = time.perf_counter() - started
        print(f"\n{options.lines:,} lines in {seconds:.1f} s, {options.lines / seconds:,.0f} a second, with the start")


if __name__ == "__main__":
    main()
