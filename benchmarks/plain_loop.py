"""The same sums in a plain Python loop, like that of the older scripts, as one side of `benchmarks.report`.

    python -m benchmarks.plain_loop WORLD [RECORDS]

Reads the first records of the dump of a world that `lurge synth` made, on one core. The loop is as fast as possible
without arrays or compiled code, and as careless as the scripts were: base directories are matched as string prefixes,
and lines are not checked or rejected.
"""

from __future__ import annotations

import gzip
import sys
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from benchmarks.world import World
from lurge.aggregate.plain import decode_quoted
from lurge.model.era import Encoding

RECORDS = 500_000


def bases_by_gid(world: World) -> dict[int, list[bytes]]:
    """The base directories of each gid, longest first."""
    bases: dict[int, list[bytes]] = defaultdict(list)
    for gid, path in world.base_directories:
        bases[gid].append(path)
    return {gid: sorted(paths, key=len, reverse=True) for gid, paths in bases.items()}


def subdirectory(below: bytes, deep: set[bytes]) -> bytes:
    """The subdirectory of a file from its path below the base directory."""
    parts = below.split(b"/", 2)
    if len(parts) == 1:
        return b"."
    return b"/".join(parts[:2]) if len(parts) == 3 and parts[0] in deep else parts[0]


def read(world: World, lines: Iterable[bytes]) -> dict[str, dict[tuple[object, ...], list[int]]]:
    """Sums by group, directory and user: [size, newest mtime, records]. By directory and filetype: [size]."""
    quoted = world.era.encoding is Encoding.QUOTED
    latest = world.dump.time
    deep = {name.encode() for name in world.config.reports.deep_directories}
    bases = bases_by_gid(world)
    suffixes = [
        (filetype.name, tuple(suffix.encode() for suffix in filetype.suffixes)) for filetype in world.config.filetypes
    ]
    groups: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    directories: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    users: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    filetypes: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0])
    for line in lines:
        fields = line.split(b"\t")
        size, gid, mtime, kind, nlink = int(fields[1]), int(fields[3]), int(fields[5]), fields[7], int(fields[9])
        if not nlink:
            continue
        path = decode_quoted(fields[0]) if quoted else b64decode(fields[0])
        if kind != b"d":
            size //= nlink
        mtime = min(mtime, latest)
        add(users[int(fields[2]), gid], size, mtime)
        for base in bases.get(gid, ()):
            if path.startswith(base):
                break
        else:
            continue
        add(groups[gid, base], size, mtime)
        if kind == b"f":
            place = (gid, base, subdirectory(path[len(base) + 1 :], deep))
            add(directories[place], size, mtime)
            name = path.lower()
            for filetype, ends in suffixes:
                if name.endswith(ends):
                    filetypes[*place, filetype][0] += size
    return {"groups": groups, "directories": directories, "users": users, "filetypes": filetypes}


def add(sums: list[int], size: int, mtime: int) -> None:
    """Add a record to sums."""
    sums[0] += size
    if mtime > sums[1]:
        sums[1] = mtime
    sums[2] += 1


def main() -> None:
    folder, *records = sys.argv[1:]
    world = World(Path(folder))
    with gzip.open(world.dump.path) as lines:
        read(world, islice(lines, int(*records) if records else RECORDS))


if __name__ == "__main__":
    main()
