"""Walking a part of a tree in plain Python: the twin of `source.compiled_walk`, and the way on without statx(2).

A work unit is some entries of one directory with everything below them. A unit that has written lines for UNIT_SECONDS
stops and returns the rest as new units, which any process may take. Each new unit stands at its place in the text, so
that the whole text stays sorted.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from lurge.source.quote import quote_inside

TYPES = {
    stat.S_IFREG: b"f",
    stat.S_IFDIR: b"d",
    stat.S_IFLNK: b"l",
    stat.S_IFSOCK: b"s",
    stat.S_IFBLK: b"b",
    stat.S_IFCHR: b"c",
    stat.S_IFIFO: b"F",
}
BLOCK_BYTES = 512
UNIT_SECONDS = 0.05
MIN_ENTRIES_A_UNIT, MAX_ENTRIES_A_UNIT = 16, 1000
UNITS_TO_SHARE = 8
PROBLEMS_KEPT = 20

Entry = tuple[bytes, bool]
"""A name and whether it is a directory."""


@dataclass(frozen=True)
class WorkUnit:
    """Entries of a directory that are still to be walked.

    names: their names in the order of a dump, each with a NUL, after a slash if it is a directory; None if the
    directory is still to be listed.
    """

    directory: bytes
    names: bytes | None = None

    @property
    def prefix(self) -> bytes:
        """The path of the directory with a slash at its end."""
        return self.directory.rstrip(b"/") + b"/"


@dataclass(frozen=True)
class ScanOptions:
    """Options of a scan. device: the only device to walk; None for any. blocks: write sizes of the blocks on disk."""

    device: int | None
    blocks: bool


@dataclass
class UnitResult:
    """The result of a unit: text and remaining units in their order, and counts.

    problems: text of the first PROBLEMS_KEPT. seconds, busy: wall time and CPU time.
    """

    pieces: list[bytes | WorkUnit] = field(default_factory=list)
    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0

    def refuse(self, path: bytes, reason: str) -> None:
        """Note what cannot be read."""
        self.unreadable += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(f"{path.decode('utf-8', 'backslashreplace')}: {reason}")


def format_line(quoted: bytes, status: os.stat_result, blocks: bool) -> bytes:
    """A line in wrstat's newest format. quoted: the quoted path, without the surrounding quotes."""
    size = status.st_size
    return b'"%b"\t%d\t%d\t%d\t%d\t%d\t%d\t%b\t%d\t%d\t%d\t%d\n' % (
        quoted,
        status.st_blocks * BLOCK_BYTES if blocks else size,
        status[4],
        status[5],
        status[7],
        status[8],
        status[9],
        TYPES.get(status[0] & 0o170000, b"X"),
        status[1],
        status[3],
        status[2],
        size,
    )


def unit_sizes(rests: Iterable[tuple[int, bool]], entries: int) -> list[int]:
    """The entries of each new unit for the rest of some directories, the outermost first.

    rests: the number of entries of each directory, and whether directories are among them. Those may be large, and are
    divided so that there are UNITS_TO_SHARE units for other processes. entries: number in the time of a unit.
    """
    most = max(MIN_ENTRIES_A_UNIT, min(entries, MAX_ENTRIES_A_UNIT))
    sizes, shared = [], 0
    for count, has_directories in rests:
        size = most
        if has_directories and shared < UNITS_TO_SHARE:
            size = min(most, -(-count // (UNITS_TO_SHARE - shared)))
            shared += -(-count // size)
        sizes.append(size)
    return sizes


class PlainWalker:
    """The walk of one unit."""

    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._result = UnitResult()
        self._lines: list[bytes] = []
        self._deadline = 0.0

    def walk(self, unit: WorkUnit) -> UnitResult:
        """Walk `unit` until it is done or its time is up."""
        names = None if unit.names is None else unit.names.split(b"\0")[:-1]
        known = None if names is None else [(name.removesuffix(b"/"), name.endswith(b"/")) for name in names]
        entries = self._list(unit.directory) if known is None else known
        # To list a large directory may take longer than a unit may.
        self._deadline = time.monotonic() + UNIT_SECONDS
        self._walk(unit.prefix, entries)
        self._flush()
        return self._result

    def _list(self, directory: bytes) -> list[Entry]:
        """The entries of a directory in the order of a dump: names of directories sort as if they ended in a slash."""
        try:
            with os.scandir(directory) as listing:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
        except FileNotFoundError:
            self._result.vanished += 1
            return []
        except OSError as error:
            self._refused(directory, error)
            return []
        entries.sort(key=lambda entry: entry[0] + b"/" if entry[1] else entry[0])
        return entries

    def _refused(self, path: bytes, error: OSError) -> None:
        self._result.refuse(path, error.strerror or "")

    def _walk(self, prefix: bytes, entries: list[Entry]) -> None:
        # Each level of the stack: the path with a slash, its quoted form, its entries, and the index of the next entry.
        stack: list[tuple[bytes, bytes, list[Entry], int]] = [(prefix, quote_inside(prefix), entries, 0)]
        while stack:
            prefix, quoted, entries, i = stack.pop()
            while i < len(entries):
                if self._result.entries and time.monotonic() > self._deadline:
                    self._split_rest([*stack, (prefix, quoted, entries, i)])
                    return
                name, is_directory = entries[i]
                i += 1
                if self._emit(prefix, quoted, name, is_directory) and is_directory:
                    stack.append((prefix, quoted, entries, i))
                    below = prefix + name
                    quoted += quote_inside(name) + b"/"
                    prefix, entries, i = below + b"/", self._list(below), 0

    def _emit(self, prefix: bytes, quoted: bytes, name: bytes, is_directory: bool) -> bool:
        """Add an entry's line. Returns True for a directory that is on a device to walk."""
        path = prefix + name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            self._result.vanished += 1
            return False
        except OSError as error:
            self._refused(path, error)
            return False
        slash = b"/" if stat.S_ISDIR(status.st_mode) else b""
        self._lines.append(format_line(quoted + quote_inside(name) + slash, status, self._options.blocks))
        self._result.entries += 1
        return bool(slash) and (self._options.device is None or status.st_dev == self._options.device)

    def _split_rest(self, stack: list[tuple[bytes, bytes, list[Entry], int]]) -> None:
        """Append the rest to the result as new units, the deepest first."""
        self._flush()
        rests = [(len(entries) - i, any(is_directory for _, is_directory in entries[i:])) for _, _, entries, i in stack]
        sizes = unit_sizes(rests, self._result.entries)
        for (prefix, _, entries, i), size in zip(reversed(stack), reversed(sizes), strict=True):
            for start in range(i, len(entries), size):
                part = entries[start : start + size]
                names = b"".join(name + (b"/\0" if is_directory else b"\0") for name, is_directory in part)
                self._result.pieces.append(WorkUnit(prefix, names))

    def _flush(self) -> None:
        if self._lines:
            self._result.pieces.append(b"".join(self._lines))
            self._lines = []
