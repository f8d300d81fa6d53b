"""Single files that stand out in a tree."""

from __future__ import annotations

from dataclasses import dataclass

SMALL_BYTES = 1 << 16
"""The size of the largest small file."""


@dataclass(frozen=True)
class File:
    """A file: its path, whole size and mtime (Unix seconds)."""

    path: bytes
    bytes: int
    mtime: int


@dataclass(frozen=True)
class FileExtremes:
    """The largest and the oldest files of a tree, and the number and bytes of its small files.

    A file with several names is one of the largest or oldest once, with its first path. It is a small file by each of
    its names, and its bytes are shared by them, as in every sum.
    """

    largest: list[File]
    oldest: list[File]
    small_files: int
    small_bytes: int
