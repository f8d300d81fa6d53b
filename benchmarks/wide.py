"""Benchmark of a volume with millions of directories: time to read, merge and store it, and memory.

    python -m benchmarks.wide [DIRECTORIES [FILES_EACH]]

The directories are distributed over 500 base directories. Each of them is a row of the directory report. Their files
are of four filetypes. The reports are stored in SQLite.
"""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

BASES = 500
SUFFIXES = (".bam", ".cram", ".vcf.gz", ".fastq.gz", ".txt")
DIRECTORIES, FILES_EACH = 5_000_000, 4

CONFIGURATION = """
[dumps]
directory = "dumps"
volumes = ["scratch101"]
[reports]
directory = "out"
[identity]
provider = "nss"
"""


def team_path(volume: str, number: int) -> str:
    """The path of a base directory."""
    return f"/lustre/{volume}/teams/team{number:03d}"


def flat(number: int) -> str:
    """The path of a directory in its base directory, which holds all of them."""
    return f"sample_{number:09d}"


def make_world(folder: Path, directories: int, files: int, path: Callable[[int], str] = flat) -> int:
    """Write a dump. files: number of files in each directory. Returns the number of records.

    path: of a directory in its base directory, by its number.
    """
    today = datetime.now(UTC)
    dumps = folder / "dumps"
    dumps.mkdir()
    (folder / "lurge.toml").write_text(CONFIGURATION)
    bases = [team_path("scratch101", number) for number in range(BASES)]
    lines = (f"{20000 + number}\t{base}\n" for number, base in enumerate(bases))
    (dumps / f"{today:%Y%m%d}.basedirs").write_text("".join(lines))
    mtime = int(today.timestamp()) - 86400 * 90
    with gzip.open(dumps / f"{today:%Y%m%d}_scratch101.a.b.stats.gz", "wt", compresslevel=1) as dump:
        for number in range(directories):
            team = number % BASES
            start = f'"{bases[team]}/{path(number)}/lane'
            inode = 144_115_205_255_725_057 + number * files
            dump.writelines(
                f'{start}_{i}{SUFFIXES[(number + i) % len(SUFFIXES)]}"\t{number % 9973 * 1000 + i}\t{1000 + team}'
                f"\t{20000 + team}\t{mtime}\t{mtime - number % 1000}\t{mtime}\tf\t{inode + i}\t1\t2031616119\t{i}\n"
                for i in range(files)
            )
    return directories * files


def main() -> None:
    directories, files = [*map(int, sys.argv[1:]), *(DIRECTORIES, FILES_EACH)[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = make_world(folder, directories, files)
        print(f"{directories:,} directories, {records:,} records")
        command = [sys.executable, "-m", "lurge", "report", "-c", str(folder / "lurge.toml"), "--json", "--quiet"]
        started = time.monotonic()
        process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        wall = time.monotonic() - started
        outcome = json.loads(process.stdout)
        (volume,) = outcome["volumes"]
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        print(f"whole job {wall:.1f} s, peak {peak:,} MiB; read in {volume['seconds']:.1f} s")
        stages = volume["stages"] | outcome["stages"]
        print(", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stages.items()))


if __name__ == "__main__":
    main()
