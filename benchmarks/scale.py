"""Simulation of a job's time by number of ranks: checked against runs on this machine, then applied to a large site.

    python -m benchmarks.scale [RECORDS_A_VOLUME [VOLUMES]]

The cost of a line is measured in a run on three ranks: the controller inflates, cuts and sends the line, a worker
receives and reads it. The simulation distributes ranks as lurge does (lurge.parallel.plan). Each controller is as fast
as its core or its workers allow. All processes together are limited by the number of cores. The workers of finished
controllers are lent to the others.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lurge.kernels.table import SUMS
from lurge.parallel.plan import make_plan, share
from lurge.parallel.threads import usable_cores

RANKS_HERE = (2, 3, 4, 5, 6, 8)
LARGE_SITE = [300_000_000] * 7
LARGE_RANKS = (8, 15, 22, 29, 36, 50, 64)
WORKERS_PER_VOLUME = 6
FILETYPES = 8
NAME_BYTES = 24


LARGE_DIRECTORIES, ROWS_A_DIRECTORY = 30_000_000, 4


@dataclass(frozen=True)
class Costs:
    """CPU seconds. controller, worker: for a line. start: for starting a rank.

    row, row_bytes: seconds of the controller's node and bytes on disk for a row of usage in the tree index.
    """

    controller: float
    worker: float
    start: float
    row: float
    row_bytes: float


@dataclass(frozen=True)
class Measured:
    wall: float
    cpu: float
    inflate_and_cut: float
    read: float
    finish: float


def simulate(lines: Sequence[int], ranks: int, cores: int, costs: Costs) -> float:
    """The seconds from the first to the last line. lines: number of lines of each volume."""
    plan = make_plan(ranks, len(lines), WORKERS_PER_VOLUME)
    crews = {number: len(crew) for number, crew in enumerate(share(plan.workers, len(plan.controllers)))}
    waiting = sorted(lines)
    remaining = {number: float(waiting.pop()) for number in crews if waiting}
    now = 0.0
    while remaining:
        rates = {number: rate_of(crews[number], cores, costs) for number in remaining}
        used = sum(rate * (costs.controller + costs.worker) for rate in rates.values())
        slower = max(1.0, used / cores)
        step = min(remaining[number] * slower / rates[number] for number in remaining)
        now += step
        for number in list(remaining):
            remaining[number] -= step * rates[number] / slower
            if remaining[number] <= 1e-6 * max(lines):
                del remaining[number]
                if waiting:
                    remaining[number] = float(waiting.pop())
                elif remaining:
                    smallest = min(remaining, key=lambda controller: crews[controller])
                    crews[smallest] += crews[number]
                    crews[number] = 0
    return now


def rate_of(crew: int, cores: int, costs: Costs) -> float:
    """Lines a second of one controller. If it has no workers, its own threads work."""
    workers = crew or max(1, cores - 1)
    return min(1 / costs.controller, workers / costs.worker)


def run(folder: Path, ranks: int) -> Measured:
    """Run and measure a whole job."""
    command = [sys.executable, "-m", "lurge", "report", "-c", str(folder / "lurge.toml")]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.run(
        [*command, "--force", "--json", "--quiet", "-n", str(ranks)], check=True, stdout=subprocess.PIPE, text=True
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    stages = [volume["stages"] for volume in json.loads(process.stdout)["volumes"]]
    return Measured(
        wall=wall,
        cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        inflate_and_cut=sum(seconds["inflate"] + seconds["cut"] for seconds in stages),
        read=sum(seconds["read"] for seconds in stages),
        finish=sum(seconds["finish"] for seconds in stages),
    )


def make_world(folder: Path, records: int, volumes: int) -> Path:
    """Create a synthetic world. records: of each volume."""
    command = [sys.executable, "-m", "lurge", "synth", "-o", str(folder), "--records", str(records)]
    subprocess.run([*command, "--volumes", str(volumes)], check=True, stdout=subprocess.DEVNULL)
    return folder


def usage_of(world: Path) -> tuple[int, int]:
    """The rows of usage in the indexes of a world, and the bytes of these indexes."""
    manifests = [json.loads(path.read_text()) for path in world.glob("out/tree/*/*/manifest.json")]
    sizes = [sum(manifest["files"].values()) for manifest in manifests]
    return sum(manifest["rows"]["usage"] for manifest in manifests), sum(sizes)


def measure_costs(world: Path, tiny: Path, lines: int) -> Costs:
    """Measure the costs. Time that belongs to neither side (receiving, waking) is divided equally between both."""
    start = run(tiny, 3)
    measured = run(world, 3)
    busy = measured.inflate_and_cut + measured.read
    rest = max(0.0, measured.cpu - start.cpu - busy - measured.finish)
    rows, size = usage_of(world)
    return Costs(
        controller=(measured.inflate_and_cut + rest / 2) / lines,
        worker=(measured.read + rest / 2) / lines,
        start=start.cpu / 3,
        row=measured.finish / rows,
        row_bytes=size / rows,
    )


def main() -> None:
    records, volumes = [*map(int, sys.argv[1:]), *(2_000_000, 3)[len(sys.argv) - 1 :]]
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as name:
        tiny = make_world(Path(name, "tiny"), 1000, volumes)
        world = make_world(Path(name, "world"), records, volumes)
        for folder in (tiny, world):
            run(folder, 2)
        costs = measure_costs(world, tiny, records * volumes)
        micro = costs.controller * 1e6, costs.worker * 1e6
        print("a line costs a controller {:.3f} and a worker {:.3f} microseconds of a core".format(*micro))
        print(f"\n| ranks, {volumes} volumes of {records:,} records, {cores} cores | simulated s | measured s |")
        print("|--:|--:|--:|")
        for ranks in RANKS_HERE:
            start = run(tiny, ranks).wall
            simulated = start + simulate([records] * volumes, ranks, cores, costs)
            print(f"| {ranks} | {simulated:.1f} | {run(world, ranks).wall:.1f} |")
    print("\n| ranks, each with a core, 7 volumes of 300,000,000 records | simulated s |\n|--:|--:|")
    for ranks in LARGE_RANKS:
        print(f"| {ranks} | {simulate(LARGE_SITE, ranks, ranks, costs):.0f} |")
    print(f"\nworkers that one controller feeds: {costs.worker / costs.controller:.2f}")
    rows = LARGE_DIRECTORIES * ROWS_A_DIRECTORY
    print(
        f"rolling up takes {costs.row * 1e6:.2f} microseconds for a row of usage: a volume of {LARGE_DIRECTORIES:,}"
        f" directories with {ROWS_A_DIRECTORY} each takes {rows * costs.row:.0f} s on this machine, and"
        f" {rows * costs.row_bytes / 2**30:.0f} GiB"
    )
    row = 8 * (SUMS + 1 + FILETYPES) + NAME_BYTES
    print(f"the coordinator holds {row} bytes for a directory that waits, and as much again while it is stored")


if __name__ == "__main__":
    main()
