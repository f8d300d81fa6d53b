"""Walking a part of a tree: what one process does for `scan`.

A unit of work is some entries of one directory with everything below them. When it has taken long enough, the unit
stops and leaves the rest as holes: units for others, at their places in the text, so that the whole stays sorted.
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
FEWEST_ENTRIES_A_HOLE, MOST_ENTRIES_A_HOLE = 16, 1000
PROBLEMS_KEPT = 20

Entry = tuple[bytes, bool]
"""A name and whether it is a directory."""


@dataclass(frozen=True)
class Hole:
    """Entries of a directory that are still to be walked; None where it is still to be listed."""

    directory: bytes
    entries: list[Entry] | None = None


@dataclass(frozen=True)
class Terms:
    """How to walk: the device to stay on (None: any), and whether sizes are those of the blocks on disk."""

    device: int | None
    blocks: bool


@dataclass
class Walked:
    """What came of a unit: text and holes in their order, and what was met."""

    pieces: list[bytes | Hole] = field(default_factory=list)
    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0


def format_line(quoted: bytes, status: os.stat_result, blocks: bool) -> bytes:
    """A line in wrstat's newest form; quoted: the path without the quotes around it."""
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
    """One unit being walked."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._walked = Walked()
        self._lines: list[bytes] = []
        self._deadline = time.monotonic() + UNIT_SECONDS

    def walk(self, hole: Hole) -> Walked:
        """Everything in `hole`, as far as time allows."""
        started, busy = time.monotonic(), time.process_time()
        self._walk(hole.directory, self._list(hole.directory) if hole.entries is None else hole.entries)
        self._flush()
        self._walked.seconds = time.monotonic() - started
        self._walked.busy = time.process_time() - busy
        return self._walked

    def _list(self, directory: bytes) -> list[Entry]:
        """The entries of a directory in the order of a dump: a directory's name sorts with a slash behind it."""
        try:
            with os.scandir(directory) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        except FileNotFoundError:
            self._walked.vanished += 1
            return []
        except OSError as error:
            self._refused(directory, error)
            return []
        entries.sort(key=lambda entry: entry[0] + b"/" if entry[1] else entry[0])
        return entries

    def _refused(self, path: bytes, error: OSError) -> None:
        self._walked.unreadable += 1
        if len(self._walked.problems) < PROBLEMS_KEPT:
            self._walked.problems.append(f"{path.decode('utf-8', 'backslashreplace')}: {error.strerror}")

    def _walk(self, directory: bytes, entries: list[Entry]) -> None:
        prefix = directory.rstrip(b"/") + b"/"
        # Every level of the stack: path with a slash, its quoted form, its entries, and which of them is next.
        stack: list[tuple[bytes, bytes, list[Entry], int]] = [(prefix, quote_inside(prefix), entries, 0)]
        while stack:
            prefix, quoted, entries, i = stack.pop()
            while i < len(entries):
                if self._walked.entries and time.monotonic() > self._deadline:
                    self._leave([*stack, (prefix, quoted, entries, i)])
                    return
                name, is_directory = entries[i]
                i += 1
                if self._emit(prefix, quoted, name, is_directory) and is_directory:
                    stack.append((prefix, quoted, entries, i))
                    below = prefix + name + b"/"
                    prefix, quoted, entries, i = below, quoted + quote_inside(name) + b"/", self._list(below), 0

    def _emit(self, prefix: bytes, quoted: bytes, name: bytes, is_directory: bool) -> bool:
        """Add an entry's line; whether it is there and, where it is a directory, on a device to walk."""
        path = prefix + name
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            self._walked.vanished += 1
            return False
        except OSError as error:
            self._refused(path, error)
            return False
        slash = b"/" if stat.S_ISDIR(status.st_mode) else b""
        self._lines.append(format_line(quoted + quote_inside(name) + slash, status, self._terms.blocks))
        self._walked.entries += 1
        return bool(slash) and (self._terms.device is None or status.st_dev == self._terms.device)

    def _leave(self, stack: list[tuple[bytes, bytes, list[Entry], int]]) -> None:
        """Turn what is left into holes, the deepest first; each about as large as what this unit could do."""
        self._flush()
        size = max(FEWEST_ENTRIES_A_HOLE, min(self._walked.entries, MOST_ENTRIES_A_HOLE))
        for prefix, _, entries, i in reversed(stack):
            for start in range(i, len(entries), size):
                self._walked.pieces.append(Hole(prefix, entries[start : start + size]))

    def _flush(self) -> None:
        if self._lines:
            self._walked.pieces.append(b"".join(self._lines))
            self._lines = []
