"""The parts of one volume: for each group a gzip file, to which its lines are appended."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from isal import igzip

from lurge.aggregate.interface import Crew, Sink
from lurge.atomic import writing_volume
from lurge.model.split import GroupLines, Portion

BYTES_A_MEMBER = 1 << 17
MAX_BYTES_OPEN = 1 << 27
"""Maximum bytes of all groups together in memory. There may be very many groups."""

LEVEL = 1

PORTIONS_WAITING = 64
"""Maximum number of out-of-order portions to buffer."""


class VolumeParts(Sink[list[GroupLines]]):
    """A sink that takes portions in any order and writes them in the order of the dump.

    The files depend only on the lines, so that any number of ranks gives equal bytes. Every method raises VolumeError
    if a file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._waiting: dict[int, tuple[int, Portion]] = {}
        self._next_line = 1
        self._open: dict[int, bytearray] = defaultdict(bytearray)
        self._bytes_open = 0
        self._lines: dict[int, int] = defaultdict(int)
        self._directories: dict[int, int] = defaultdict(int)
        with writing_volume(directory):
            directory.mkdir(parents=True)

    @property
    def waiting(self) -> int:
        """Number of portions that wait for an earlier portion."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return self.waiting > PORTIONS_WAITING

    def add(self, first_line: int, lines: int, portion: Portion) -> None:
        """Add the records of some lines of the dump. first_line: number of the first line. lines: number of lines."""
        self._waiting[first_line] = (lines, portion)
        while self._next_line in self._waiting:
            count, ready = self._waiting.pop(self._next_line)
            self._append(ready)
            self._next_line += count

    def _append(self, portion: Portion) -> None:
        start = 0
        columns = (portion.gids, portion.lines, portion.directories, portion.ends)
        for gid, lines, directories, end in zip(*(column.tolist() for column in columns), strict=True):
            self._lines[gid] += lines
            self._directories[gid] += directories
            text = self._open[gid]
            text += portion.text[start:end].data
            self._bytes_open += end - start
            start = end
            if len(text) >= BYTES_A_MEMBER:
                self._write(gid)
        if self._bytes_open > MAX_BYTES_OPEN:
            self._write_all()

    def _write(self, gid: int) -> None:
        text = self._open.pop(gid)
        self._bytes_open -= len(text)
        member = igzip.compress(text, LEVEL, mtime=0)
        with writing_volume(self._directory), (self._directory / f"{gid}.gz").open("ab") as file:
            file.write(member)

    def _write_all(self) -> None:
        for gid in sorted(self._open):
            self._write(gid)

    def finish(self, export: list[GroupLines], crew: Crew) -> list[GroupLines]:
        """Write the remaining lines. Returns the numbers of lines of each group, in the order of gids."""
        self._write_all()
        return [GroupLines(gid, self._lines[gid], self._directories[gid]) for gid in sorted(self._lines)]
