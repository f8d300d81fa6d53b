"""Everything hostile that a site may meet, in turn, with seeds, until the time is over.

    python -m tests.attack [--minutes M] [--seed S] [--only NAME]

worlds      random hostile volumes, read by the kernel, the plain twin and the command (tests.soak)
lines       spoiled lines of dumps: kernel and twin must agree
streams     damaged gzip streams: they are read as Python's gzip reads them, or refused
names       names that collide under a known hash: reading them takes no longer
kills       any process of a job killed at any moment: a whole state stands, and the next run goes on
links       links and files that somebody planted in output directories: what they lead to stays as it is

A round follows from its seed. The next round has the next seed. The folder of a round that failed is kept; `--seed` and
`--only` repeat it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter

from tests.attack.kills import prepared
from tests.attack.rounds import ATTACKS, one_round

MINUTES = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Attack lurge in every known way.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long, default: %(default)s")
    parser.add_argument("--seed", type=int, help="the first round's; default: from the clock")
    parser.add_argument("--only", choices=ATTACKS, help="one kind of attack (default: each in turn)")
    options = parser.parse_args()
    seed = time.time_ns() // 10**6 if options.seed is None else options.seed
    print(f"seed {seed}, folders in {tempfile.gettempdir()}/lurge-attack-*", flush=True)
    ends = time.monotonic() + 60 * options.minutes
    done: Counter[str] = Counter()
    good = True
    while good and time.monotonic() < ends:
        for name in [options.only] if options.only else ATTACKS:
            good = good and one_round(name, seed)
            done[name] += 1
        seed += 1
    print(json.dumps(done))
    if prepared.cache_info().currsize:
        shutil.rmtree(prepared()[0].folder)
    sys.exit(not good)


if __name__ == "__main__":
    main()
