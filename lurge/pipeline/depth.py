"""Choosing how deep the base directories of a tree lie, from the directories that hold its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

LEVELS = 3
"""Below the root of a volume, at most: /lustre/scratch119 has /lustre/scratch119/<realm>/<kind>/<name>."""

FILES_A_DIRECTORY, FEW = 1000, 100
"""A base directory holds at least 1000 files on average, unless there are at most 100 base directories."""


class Holder(NamedTuple):
    """A directory that holds files of a group, directly or below it. The path of the root is empty."""

    gid: int
    path: bytes
    files: int


def depth_of(path: bytes) -> int:
    """The number of components of a path."""
    return path.count(b"/")


def above(path: bytes, depth: int) -> bytes:
    """The directory at `depth` that holds a directory; the directory itself if it does not lie deeper."""
    return b"/".join(path.split(b"/", depth + 1)[: depth + 1])


def common_directory(paths: Iterable[bytes]) -> bytes:
    """The deepest directory that holds all of some paths, or is one of them."""
    common: list[bytes] | None = None
    for path in paths:
        parts = path.split(b"/")
        if common is None:
            common = parts
        else:
            same = next((i for i, (a, b) in enumerate(zip(common, parts, strict=False)) if a != b), None)
            common = common[: len(parts) if same is None else same]
    return b"/".join(common or [])


def choose_depth(holders: Sequence[Holder], root: bytes) -> int:
    """The deepest of the LEVELS below `root` at which at least half of the files lie, in not too many directories."""
    total = sum(holder.files for holder in holders)
    worth = max(FEW, total // FILES_A_DIRECTORY)
    top = depth_of(root)
    for depth in range(top + LEVELS, top, -1):
        deep = sum(holder.files for holder in holders if depth_of(holder.path) >= depth)
        pairs = {(holder.gid, above(holder.path, depth)) for holder in holders}
        if 2 * deep >= total and (len(pairs) <= worth or depth == top + 1):
            return depth
    return top


def at_depth(holders: Iterable[Holder], depth: int) -> Iterator[tuple[int, bytes]]:
    """(gid, base directory) of some holders: no file is lost, those above the depth keep their directory."""
    return ((holder.gid, above(holder.path, depth)) for holder in holders)
