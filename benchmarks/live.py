"""An index of a live tree: `lurge look` beside other programs, for `benchmarks.tree`.

The tree has 20 files in each of its lowest directories. Every program reads it from the cache of the system, because it
was just written and lurge looks at it once before. Programs that are not installed are left out.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.report import Run, Side, measure, python, run_rounds, table
from benchmarks.wide import SUFFIXES

FILES_EACH, FANOUT = 20, 20
YEARS_3 = 3 * 365 * 86400
NOW = 1_700_000_000
LOOK = "lurge look --json"


def make_tree(folder: Path, files: int) -> None:
    """Make a tree of sparse files, with random sizes and times."""
    rng = random.Random(1)  # noqa: S311 - equal trees in all runs
    for number in range(files):
        place = number // FILES_EACH
        directory = f"{folder}/{place // FANOUT**2:04}/{place // FANOUT % FANOUT:02}/{place % FANOUT:02}"
        if number % FILES_EACH == 0:
            Path(directory).mkdir(parents=True)
        path = f"{directory}/sample_{number:08}{SUFFIXES[number % len(SUFFIXES)]}"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
        os.truncate(descriptor, rng.randrange(1 << 20))
        os.utime(descriptor, (NOW, NOW - rng.randrange(YEARS_3)))
        os.close(descriptor)


def build(command: Sequence[str], output: Path) -> Run:
    """Run a program that writes a file."""
    output.unlink(missing_ok=True)
    return measure(command, output=subprocess.DEVNULL)


def commands(tree: str, output: str) -> Mapping[str, list[str]]:
    """The commands that index a tree, by name."""
    return {
        "duc index": ["duc", "index", "--quiet", "--database", output, tree],
        "ncdu -o": ["ncdu", "-0", "-o", output, tree],
        "gdu -o": ["gdu", "--non-interactive", "--no-progress", "--output-file", output, tree],
        "dust": ["dust", "--no-progress", "--depth", "1", tree],
    }


def check(look: Side, files: int) -> None:
    """Exit if lurge did not find every file."""
    found = look.runs[-1].result["total"]["files"]
    if found != files:
        sys.exit(f"lurge look found {found:,} files instead of {files:,}")


def benchmark(folder: Path, files: int, rounds: int) -> None:
    """Make a tree in a folder, index it, and print the times."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        tree, output = Path(temporary, "tree"), Path(temporary, "output")
        make_tree(tree, files)
        look = Side(LOOK, partial(measure, python("lurge", "look", "--json", "--quiet", tree)), True)
        look.check = partial(check, look, files)
        look.run()
        sides = [look]
        for name, command in commands(str(tree), str(output)).items():
            if shutil.which(command[0]):
                sides.append(Side(name, partial(build, command, output)))
            else:
                print(f"{command[0]} is not installed and left out.\n")
        run_rounds(sides, rounds)
    print(f"## A live tree of {files:,} files in {-(-files // FILES_EACH):,} directories, {os.cpu_count()} cores\n")
    header = ("program", "runs", "wall s", "min-max", "times lurge", "files/s", "CPU s", "peak MiB")
    table(header, (row_of(side, look.wall, files) for side in sides))


def row_of(side: Side, lurge: float, files: int) -> list[str]:
    walls = [run.wall for run in side.runs]
    return [
        side.name,
        str(len(walls)),
        f"{side.wall:.2f}",
        f"{min(walls):.2f}-{max(walls):.2f}",
        f"{side.wall / lurge:.2f}",
        f"{files / side.wall:,.0f}",
        f"{side.cpu:.2f}",
        f"{max(side.peaks):,.0f}",
    ]
