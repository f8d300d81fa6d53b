"""Benchmark of `lurge report` beside inflating alone, DuckDB and a plain Python loop, on synthetic worlds.

    python -m benchmarks.report [--records N] [--eras 5.0,6.4] [--runs R] [--folder DIR] [--memory]

Needs `pip install duckdb rapidgzip`, mpi4py with an MPI, and `igzip` of the package isal. A world is created in DIR/ERA
unless it exists. The headings show its number of records. Without DIR, worlds are temporary.

First lurge runs once, to compile, to store, and to bring the dump into the page cache. Then the sides take turns, so
that noise of the machine affects all of them. DuckDB's answers are compared with those that lurge stored; a difference
is an error. Wall time is from the start of a side's program to its end. CPU time is of all its processes. Peaks are of
resident memory, separately for each rank. No peak is below 10 MiB (see `benchmarks.measured`).
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.plain_loop import RECORDS as LOOP_RECORDS
from benchmarks.world import World
from lurge.parallel.launch import ONE_MACHINE, find_mpiexec

RANKS = (2, 3, 4)
SMALL = 2_000_000
TINY = 1_000
LONG = 120
"""Seconds. A side other than lurge that takes longer runs only once."""

FLOOR, DUCKDB, LOOP, ALONE = "igzip -dc", "DuckDB", "plain Python loop", "lurge, alone"
MEASURED = Path(__file__).with_name("measured.py")

Environment = dict[str, str]


@dataclass(frozen=True)
class Run:
    """One run of a side. wall, cpu: seconds. peaks: MiB of each process. output: standard output."""

    wall: float
    cpu: float
    peaks: tuple[float, ...]
    output: bytes

    @property
    def result(self) -> dict[str, Any]:
        """The output of `lurge report --json`."""
        result: dict[str, Any] = json.loads(self.output)
        return result


@dataclass
class Side:
    """A program to compare.

    records: number of records that it reads, if not all. check: exits if the answers of a run are wrong.
    """

    name: str
    run: Callable[[], Run]
    is_lurge: bool = False
    records: int | None = None
    check: Callable[[], None] = lambda: None
    runs: list[Run] = field(default_factory=list)

    def take_turn(self) -> None:
        if self.runs and not self.is_lurge and self.wall > LONG:
            return
        self.runs.append(self.run())
        self.check()

    def median(self, value: Callable[[Run], float]) -> float:
        return statistics.median(map(value, self.runs))

    @property
    def wall(self) -> float:
        return self.median(lambda run: run.wall)

    @property
    def cpu(self) -> float:
        return self.median(lambda run: run.cpu)

    @property
    def peaks(self) -> list[float]:
        """The median of all runs for each process."""
        return [statistics.median(peaks) for peaks in zip(*(run.peaks for run in self.runs), strict=True)]


# Running


def execute(command: Sequence[str], output: int = subprocess.PIPE, **environment: str) -> bytes:
    """The output of a command. Exits with its error messages if it fails."""
    process = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    if process.returncode:
        sys.exit(f"{' '.join(command)}: status {process.returncode}\n{process.stderr.decode()}")
    return process.stdout or b""


def measure(
    command: Sequence[str], ranks: int = 1, output: int = subprocess.PIPE, environment: Environment | None = None
) -> Run:
    """Run a command and measure it. ranks: number of ranks to start."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as of_ranks:
        measured = [sys.executable, "-I", "-S", str(MEASURED)]
        full_command, environment = [*command], environment or {}
        if ranks > 1:
            full_command = [find_mpiexec(), "-n", str(ranks), *measured, of_ranks, *command]
            environment = {**ONE_MACHINE, **environment}
        printed = execute([*measured, folder, *full_command], output, **environment)
        job = json.loads((Path(folder) / "alone.json").read_text())
        names = range(ranks) if ranks > 1 else ()
        parts = [json.loads((Path(of_ranks) / f"{rank}.json").read_text()) for rank in names] or [job]
    return Run(job["wall"], sum(part["cpu"] for part in parts), tuple(part["peak"] for part in parts), printed)


def python(*arguments: object) -> list[str]:
    return [sys.executable, "-m", *map(str, arguments)]


def report_command(world: World, force: bool = True) -> list[str]:
    return python("lurge", "report", "-c", world.file, "--quiet", "--json", *["--force"] * force)


def make_world(folder: Path, records: int, era: str) -> World:
    """The world in a folder, created if necessary, with its reports stored and the kernels compiled."""
    world = World(folder)
    if not world.file.exists():
        options = ("--records", records, "--volumes", 1, "--era", era, "--quiet")
        execute(python("lurge", "synth", "-o", folder, *options))
    execute(report_command(world))
    return world


# Sides


def program(name: str) -> str:
    """The path of a program. Exits if it is missing."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    return path or sys.exit(f"{name} is missing: see the top of {__file__}")


def compare(world: World, answers: Path) -> None:
    """Exit if DuckDB's answers differ from those that lurge stored."""
    differences = world.stored_answers().differences(pickle.loads(answers.read_bytes()))  # noqa: S301 - our own
    if differences:
        sys.exit("DuckDB and lurge differ:\n" + "\n".join(differences))


def lurge_sides(world: World) -> list[Side]:
    command = report_command(world)
    alone = Side(ALONE, partial(measure, command), True)
    return [alone, *(Side(f"lurge, {n} ranks", partial(measure, command, n), True) for n in RANKS)]


def all_sides(world: World, answers: Path) -> list[Side]:
    dump = str(world.dump.path)
    discard = subprocess.DEVNULL
    loop_records = min(LOOP_RECORDS, world.records)
    return [
        Side(FLOOR, partial(measure, [program("igzip"), "-dc", dump], output=discard)),
        Side("rapidgzip -P 0", partial(measure, [program("rapidgzip"), "-P", "0", "-d", "-c", dump], output=discard)),
        *lurge_sides(world),
        Side(
            DUCKDB,
            partial(measure, python("benchmarks.duck", world.folder, answers)),
            check=partial(compare, world, answers),
        ),
        Side(
            LOOP,
            partial(measure, python("benchmarks.plain_loop", world.folder, loop_records)),
            records=loop_records,
        ),
    ]


def run_rounds(sides: Sequence[Side], rounds: int) -> dict[str, Side]:
    """Run all sides in turn, several rounds. Returns the sides by name."""
    for number in range(1, rounds + 1):
        for side in sides:
            print(f"round {number}: {side.name}", file=sys.stderr, flush=True)
            side.take_turn()
    return {side.name: side for side in sides}


# Tables


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table. All columns but the first are numbers."""
    print("| " + " | ".join(header) + " |")
    print("|---" + "|--:" * (len(header) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def row_of(side: Side, floor: float, records: int) -> list[str]:
    walls = [run.wall for run in side.runs]
    name = side.name if side.records is None else f"{side.name}, {side.records:,} records"
    return [
        name,
        str(len(side.runs)),
        f"{side.wall:.2f}",
        f"{min(walls):.2f}-{max(walls):.2f}",
        f"{side.wall / floor:.2f}" if side.records is None else "-",
        f"{(side.records or records) / side.wall:,.0f}",
        f"{side.cpu:.2f}",
        ", ".join(f"{peak:,.0f}" for peak in side.peaks),
    ]


def print_sides(sides: dict[str, Side], records: int) -> None:
    header = ("side", "runs", "wall s", "min-max", "times igzip", "records/s", "CPU s", "peak MiB of each process")
    floor = sides[FLOOR].wall
    table(header, (row_of(side, floor, records) for side in sides.values()))


def print_goals(sides: dict[str, Side], records: int) -> None:
    """Print the goals of lurge, and the ratios of medians that it reached, alone and with ranks."""
    loop = sides[LOOP]
    loop_speed = (loop.records or records) / loop.cpu
    own_sides = [side for side in sides.values() if side.is_lurge]
    goals: list[tuple[str, Callable[[Side], float], Callable[[float], bool]]] = [
        ("wall clock of `igzip -dc`, at most 2 times", lambda side: side.wall / sides[FLOOR].wall, lambda x: x <= 2),
        ("faster than DuckDB, at least 6 times", lambda side: sides[DUCKDB].wall / side.wall, lambda x: x >= 6),
        (
            "records a CPU second of the plain loop, at least 40 times",
            lambda side: records / side.cpu / loop_speed,
            lambda x: x >= 40,
        ),
    ]
    rows = []
    for text, ratio, reached in goals:
        ratios = map(ratio, own_sides)
        rows.append([text, *(f"{value:.2f} {'yes' if reached(value) else 'no'}" for value in ratios)])
    table(("goal", *(side.name for side in own_sides)), rows)


def stages_of(result: dict[str, Any]) -> dict[str, float]:
    """Seconds of each stage in the output of a report, the stages of its volume first."""
    stages: dict[str, float] = {}
    for part in (*result["volumes"], result):
        for name, seconds in part.get("stages", {}).items():
            stages[name] = stages.get(name, 0) + seconds
    return stages


def print_stages(sides: Iterable[Side]) -> None:
    """Print the median seconds of each stage, and its share of all stages. Without stages it prints nothing."""
    columns: dict[str, dict[str, float]] = {}
    for side in sides:
        runs = [stages_of(run.result) for run in side.runs]
        names = dict.fromkeys(name for stages in runs for name in stages)
        columns[side.name] = {name: statistics.median(stages.get(name, 0) for stages in runs) for name in names}
    names = dict.fromkeys(name for stages in columns.values() for name in stages)
    if not names:
        return
    print("Time in each stage: seconds from `lurge report --json`, and per cent of their sum\n")
    rows = []
    for name in names:
        cells = [
            f"{stages[name]:.2f} s, {100 * stages[name] / (sum(stages.values()) or 1):.0f} %" if name in stages else "-"
            for stages in columns.values()
        ]
        rows.append([name, *cells])
    table(("stage", *columns), rows)


def print_memory(sides: dict[str, Side], small: dict[str, Side], records: int, small_records: int) -> None:
    print("Peak memory of each process, MiB\n")
    rows = []
    for name, side in small.items():
        rows.append([name, *(", ".join(f"{peak:,.0f}" for peak in measured.peaks) for measured in (side, sides[name]))])
    table(("side", f"{small_records:,} records", f"{records:,} records"), rows)


def print_start(world: World, folder: Path, era: str, runs: int) -> None:
    """Print the time of a report that has nothing to read, and of one that has to compile first."""
    warm = statistics.median(measure(report_command(world, force=False)).wall for _ in range(runs))
    print(f"Everything stored already: {warm:.2f} s\n")
    tiny = make_world(folder / f"tiny-{era}", TINY, era)
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        first, second = (measure(report_command(tiny), environment=environment).wall for _ in range(2))
    print(f"{TINY:,} records, with nothing compiled yet: {first:.2f} s; again: {second:.2f} s\n", flush=True)


def benchmark(era: str, folder: Path, records: int, runs: int, memory: bool) -> None:
    """Run and print all comparisons for one era."""
    world = make_world(folder / era, records, era)
    with tempfile.TemporaryDirectory() as answers:
        sides = run_rounds(all_sides(world, Path(answers) / "answers"), runs)
    own_sides = [side for side in sides.values() if side.is_lurge]
    print(f"## Era {era}: {world.records:,} records, {world.dump.size / 2**20:,.0f} MiB, {os.cpu_count()} cores\n")
    print_sides(sides, world.records)
    print_goals(sides, world.records)
    print_stages(own_sides)
    if memory:
        small = make_world(folder / f"small-{era}", SMALL, era)
        print_memory(sides, run_rounds(lurge_sides(small), 1), world.records, small.records)
    print_start(world, folder, era, runs)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report")
    parser.add_argument(
        "--records", type=int, default=20_000_000, help="number of records of each world that is created"
    )
    parser.add_argument("--eras", default="5.0,6.4", help="eras to compare, separated by commas")
    parser.add_argument("--runs", type=int, default=3, help="number of runs of each side")
    parser.add_argument("--folder", type=Path, help="folder of the worlds; missing worlds are created there")
    parser.add_argument(
        "--memory", action="store_true", help=f"also compare peak memory with that for {SMALL:,} records"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        for era in options.eras.split(","):
            benchmark(era, folder, options.records, options.runs, options.memory)


if __name__ == "__main__":
    main()
