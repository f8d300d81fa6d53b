"""Benchmark of the tree index: what it adds to a report, questions to it, and indexes of a live tree.

    python -m benchmarks.tree [--parts report,questions,live] [--records N] [--eras 6.4,5.0] [--directories D]
        [--files F] [--questions Q] [--runs R] [--rounds S] [--folder DIR]

Needs `pip install duckdb`, mpi4py with an MPI, and for the live tree whichever of duc, ncdu, gdu and dust are to be
compared. Worlds are created in DIR unless they exist: one of N records for each era, and one of D directories as that
of `benchmarks.wide`, whose reports run once only because they take minutes. Without DIR, worlds are temporary.

report: `lurge report --force` with the tree index and without, in turn, alone and on 3 ranks. Peaks are of resident
memory, separately for each rank; temporary files that are being merged are mapped, and count. questions: see
`benchmarks.questions`. live: see `benchmarks.live`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import live, questions, wide
from benchmarks.questions import Goal
from benchmarks.report import TINY, Side, execute, make_world, measure, python, run_rounds, table
from benchmarks.world import World
from lurge.store.tree.publish import folder_of, indexed_days
from lurge.store.tree.read import Index, open_index

PARTS = REPORT, QUESTIONS, LIVE = "report", "questions", "live"
RANKS = (1, 3)
FILES_EACH = 4
WITHOUT_TREE = "without-tree.toml"
TIMES_AS_LONG, BYTES_A_DIRECTORY = 1.5, 600
FEW_DIRECTORIES, FEW_MIB, MANY_MIB = 500_000, 250, 400


@dataclass(frozen=True)
class Pair:
    """The reports without the tree index and with it, on a number of ranks."""

    ranks: int
    without: Side
    having: Side

    @property
    def name(self) -> str:
        return "alone" if self.ranks == 1 else f"{self.ranks} ranks"


def report_command(file: Path) -> list[str]:
    return python("lurge", "report", "-c", file, "--quiet", "--json", "--force")


def pairs_of(world: World) -> list[Pair]:
    """The sides to compare. Writes a configuration without the tree index beside that of the world."""
    file = world.folder / WITHOUT_TREE
    file.write_text(f"{world.file.read_text()}\n[tree]\nenabled = false\n")
    pairs = []
    for ranks in RANKS:
        name = "lurge, alone" if ranks == 1 else f"lurge, {ranks} ranks"
        without = Side(f"{name}, without the tree", partial(measure, report_command(file), ranks), True)
        having = Side(f"{name}, with the tree", partial(measure, report_command(world.file), ranks), True)
        pairs.append(Pair(ranks, without, having))
    return pairs


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# Tables


def rows_of(pair: Pair) -> Iterable[list[str]]:
    for side in (pair.without, pair.having):
        walls = [run.wall for run in side.runs]
        yield [
            side.name,
            str(len(walls)),
            f"{side.wall:.2f}",
            f"{min(walls):.2f}-{max(walls):.2f}",
            f"{side.wall / pair.without.wall:.2f}",
            f"{side.cpu:.2f}",
            ", ".join(f"{peak:,.0f}" for peak in side.peaks),
        ]


def print_reports(pairs: list[Pair]) -> None:
    header = ("report", "runs", "wall s", "min-max", "times without", "CPU s", "peak MiB of each process")
    table(header, (row for pair in pairs for row in rows_of(pair)))


def print_goals(goals: Iterable[Goal]) -> None:
    rows = []
    for goal in goals:
        rows.append([goal.text, f"{goal.limit:,}", f"{goal.value:,.2f}", "yes" if goal.value <= goal.limit else "no"])
    table(("goal", "at most", "measured", "reached"), rows)


def report_goals(pairs: list[Pair], index: Index) -> list[Goal]:
    """What reports reached."""
    directories = index.manifest["directories"]
    memory = FEW_MIB if directories <= FEW_DIRECTORIES else MANY_MIB
    goals = []
    for pair in pairs:
        ratio = pair.having.wall / pair.without.wall
        goals.append(Goal(f"wall clock without the tree, {pair.name}, times", ratio, TIMES_AS_LONG))
        goals.append(Goal(f"peak of the largest process, {pair.name}, MiB", max(pair.having.peaks), memory))
    return [*goals, Goal("bytes a directory on disk", size_of(index.folder) / directories, BYTES_A_DIRECTORY)]


# Worlds


def wide_world(folder: Path, directories: int) -> World:
    """The world of `benchmarks.wide`, created if necessary."""
    world = World(folder)
    if not world.file.exists():
        folder.mkdir()
        wide.make_world(folder, directories, FILES_EACH)
    return world


def benchmark(name: str, world: World, runs: int, options: argparse.Namespace) -> None:
    """Run and print what is asked for one world. runs: of each report."""
    directory, (volume,) = world.config.tree.directory, world.config.dumps.volumes
    print(f"## {name}: a dump of {world.dump.size / 2**20:,.0f} MiB, {os.cpu_count()} cores\n", flush=True)
    goals: list[Goal] = []
    if REPORT in options.parts:
        pairs = pairs_of(world)
        run_rounds([side for pair in pairs for side in (pair.without, pair.having)], runs)
        print_reports(pairs)
        goals += report_goals(pairs, open_index(directory, volume.name))
    if QUESTIONS in options.parts:
        if not indexed_days(folder_of(directory, volume.name)):
            execute(report_command(world.file))
        goals += questions.benchmark(world.folder, directory, volume.name, options.questions, options.rounds)
    print_goals(goals)


def parts_of(text: str) -> list[str]:
    parts = text.split(",")
    if not set(parts) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"the parts are {', '.join(PARTS)}")
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tree")
    add = parser.add_argument
    add("--parts", type=parts_of, default=PARTS, help="parts to run, separated by commas")
    add("--records", type=int, default=20_000_000, help="number of records of each era's world")
    add("--eras", default="6.4,5.0", help="eras to compare, separated by commas; empty for none")
    add("--directories", type=int, default=wide.DIRECTORIES, help="directories of the wide world; 0 for none")
    add("--files", type=int, default=200_000, help="files of the live tree")
    add("--questions", type=int, default=50, help="directories of each kind to ask about")
    add("--runs", type=int, default=3, help="runs of each report and program; of reports of the wide world 1")
    add("--rounds", type=int, default=2, help="times that each question is asked and timed")
    add("--folder", type=Path, help="folder of the worlds; missing worlds are created there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if {REPORT, QUESTIONS} & set(options.parts):
            # Kernels are compiled before anything is measured.
            make_world(folder / "tiny", TINY, "6.4")
            for era in filter(None, options.eras.split(",")):
                world = make_world(folder / era, options.records, era)
                benchmark(f"Era {era}, {world.records:,} records", world, options.runs, options)
            if options.directories:
                world = wide_world(folder / "wide", options.directories)
                benchmark(f"{options.directories:,} directories of {FILES_EACH} files", world, 1, options)
        if LIVE in options.parts:
            live.benchmark(folder, options.files, options.runs)


if __name__ == "__main__":
    main()
