"""Random worlds, realistic and hostile, read by the kernel, its plain twin and the command until the time is over.

    python -m tests.soak [--minutes M] [--seed S]

The kernel must give the same report as the twin, however a dump is cut and merged. In some worlds `lurge report` runs
too, alone and on several ranks: both must write the same database and files, with the rows of the twin.

A world follows from its seed. The next world has the next seed. A world with a difference is kept, in a folder whose
name ends in its seed; `--seed` makes it again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.worlds import make_world
from tests.soak.command import check_world
from tests.soak.compare import Difference

MINUTES = 3.0


@dataclass
class Totals:
    """The numbers that the last line shows."""

    worlds: int = 0
    records: int = 0
    commands: int = 0


def soak(seed: int, until: float, totals: Totals) -> bool:
    """Try one world after another until the time is over; returns false after a difference."""
    while time.monotonic() < until:
        folder = Path(tempfile.mkdtemp(prefix="lurge-soak-", suffix=f"-{seed}"))
        try:
            world = make_world(seed, folder)
            reports, commands = check_world(world)
        except Exception as error:
            print(error if isinstance(error, Difference) else traceback.format_exc())
            print(f"kept: {folder}\nagain: python -m tests.soak --seed {seed}")
            return False
        totals.worlds += 1
        totals.commands += commands
        totals.records += sum(report.counts.records for report in reports)
        shutil.rmtree(folder)
        seed += 1
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare kernel, twin and command on random worlds.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long, default: %(default)s")
    parser.add_argument("--seed", type=int, help="the first world's; default: from the clock")
    options = parser.parse_args()
    seed = time.time_ns() // 10**6 if options.seed is None else options.seed
    # A crash prints nothing: the last folder is then the world.
    print(f"seed {seed}, worlds in {tempfile.gettempdir()}/lurge-soak-*", flush=True)
    started = time.monotonic()
    totals = Totals()
    good = soak(seed, started + 60 * options.minutes, totals)
    seconds = time.monotonic() - started
    print(f"{totals.worlds} worlds, {totals.records:,} records, {totals.commands} commands, {seconds:.0f} s")
    sys.exit(not good)


if __name__ == "__main__":
    main()
