"""Walking a part of a tree: the work of one process of `scan`.

A work unit is some entries of one directory with everything below them. A unit that has run for UNIT_SECONDS stops and
returns the rest as new units, which any process may take. Each new unit stands at its place in the text, so that the
whole text stays sorted.
"""

from __future__ import annotations

import os
import stat
import time
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
PROBLEMS_KEPT = 20

Entry = tuple[bytes, bool]
"""A name and whether it is a directory."""


@dataclass(frozen=True)
class WorkUnit:
    """Entries of a directory that are still to be walked; None if the directory is still to be listed."""

    directory: bytes
    entries: list[Entry] | None = None


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


class Walker:
    """The walk of one unit."""

    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._result = UnitResult()
        self._lines: list[bytes] = []
        self._deadline = time.monotonic() + UNIT_SECONDS

    def walk(self, unit: WorkUnit) -> UnitResult:
        """Walk `unit` until it is done or its time is up."""
        started, busy = time.monotonic(), time.process_time()
        self._walk(unit.directory, self._list(unit.directory) if unit.entries is None else unit.entries)
        self._flush()
        self._result.seconds = time.monotonic() - started
        self._result.busy = time.process_time() - busy
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
        self._result.unreadable += 1
        if len(self._result.problems) < PROBLEMS_KEPT:
            self._result.problems.append(f"{path.decode('utf-8', 'backslashreplace')}: {error.strerror}")

    def _walk(self, directory: bytes, entries: list[Entry]) -> None:
        prefix = directory.rstrip(b"/") + b"/"
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
                    below = prefix + name + b"/"
                    prefix, quoted, entries, i = below, quoted + quote_inside(name) + b"/", self._list(below), 0

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
        """Append the rest to the result as new units, the deepest first.

        Each unit gets about as many entries as this unit managed.
        """
        self._flush()
        size = max(MIN_ENTRIES_A_UNIT, min(self._result.entries, MAX_ENTRIES_A_UNIT))
        for prefix, _, entries, i in reversed(stack):
            for start in range(i, len(entries), size):
                self._result.pieces.append(WorkUnit(prefix, entries[start : start + size]))

    def _flush(self) -> None:
        if self._lines:
            self._result.pieces.append(b"".join(self._lines))
            self._lines = []
