"""The first question to a tree index in a fresh process, for `benchmarks.tree`.

    python -m benchmarks.first FOLDER VOLUME PATH FILTERS

Prints the seconds of importing lurge.tree, of opening the newest index of VOLUME in FOLDER, and of `children` of PATH.
FILTERS: the arguments of `children`, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise


def main() -> None:
    folder, volume, path, filters = sys.argv[1:]
    arguments = json.loads(filters)
    times = [time.perf_counter()]
    from lurge.tree import open_tree

    times.append(time.perf_counter())
    tree = open_tree(folder, volume)
    times.append(time.perf_counter())
    tree.children(path, **arguments)
    times.append(time.perf_counter())
    print(json.dumps([after - before for before, after in pairwise(times)]))


if __name__ == "__main__":
    main()
