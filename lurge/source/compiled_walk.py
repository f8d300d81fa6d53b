"""Walking a part of a tree by a compiled kernel: the work of one process of `scan` and `look`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np

from lurge.kernels.walk_lines import (
    DEPTH,
    ENTRIES,
    FD,
    FIRST,
    IS_DIRECTORY,
    LENGTH,
    MORE_ROOM,
    NAME,
    NEXT,
    PATH_BYTES,
    PROBLEM,
    PROBLEM_LENGTH,
    QUOTE_NAME,
    QUOTED_LENGTH,
    TEXT_BYTES,
    TEXT_IS_FULL,
    TIME_IS_UP,
    UNREADABLE,
    VANISHED,
    WRITTEN,
    begin,
    names_of,
    new_lines,
    walk_lines,
    with_room,
)
from lurge.source import walk
from lurge.source.quote import quote_inside
from lurge.source.walk import PlainWalker, ScanOptions, UnitResult, WorkUnit, unit_sizes

NANOSECONDS = 10**9


class Walker:
    """Walks one unit after another."""

    def __init__(self, options: ScanOptions) -> None:
        self._options = options
        self._lines = new_lines()
        # A system, or its filter of calls, may lack statx(2).
        self._is_plain = self._walk(WorkUnit(b"/", b".\0")).entries == 0

    def walk(self, unit: WorkUnit) -> UnitResult:
        """Walk `unit` until it is done or its time is up."""
        started, busy = time.monotonic(), time.process_time()
        result = PlainWalker(self._options).walk(unit) if self._is_plain else self._walk(unit)
        result.seconds = time.monotonic() - started
        result.busy = time.process_time() - busy
        return result

    def _walk(self, unit: WorkUnit) -> UnitResult:
        """The result of the kernel."""
        result = UnitResult()
        allowed = int(walk.UNIT_SECONDS * NANOSECONDS)
        device = np.uint64(self._options.device or 0)
        self._begin(unit)
        state = self._lines.state
        while answer := walk_lines(allowed, device, self._options.device is None, self._options.blocks, *self._lines):
            if answer == MORE_ROOM:
                self._lines = with_room(self._lines)
            elif answer == TEXT_IS_FULL:
                self._take_text(result)
            elif answer == QUOTE_NAME:
                self._quote_name()
            elif answer == UNREADABLE:
                path = self._lines.path[: state[PROBLEM_LENGTH]].tobytes()
                result.refuse(path, os.strerror(state[PROBLEM]))
            elif answer == TIME_IS_UP:
                self._take_text(result)
                result.pieces += self._rest()
                self._close()
        self._take_text(result)
        result.entries, result.vanished = int(state[WRITTEN]), int(state[VANISHED])
        return result

    def _begin(self, unit: WorkUnit) -> None:
        """Prepare for the entries of a unit."""
        prefix = unit.prefix
        quoted = quote_inside(prefix)
        lines = self._lines
        lines.state[:] = 0
        lines.state[QUOTED_LENGTH] = -1
        lines.path[: len(prefix)] = np.frombuffer(prefix, np.uint8)
        lines.quoted[: len(quoted)] = np.frombuffer(quoted, np.uint8)
        text = bytearray(unit.names or b"")
        names, entries = np.frombuffer(text, np.uint8) if text else np.zeros(0, np.uint8), text.count(0)
        if len(lines.names) < len(names) or len(lines.entries) < entries:
            self._lines = lines = with_room(lines, entries, len(names))
        begin(names, unit.names is not None, len(prefix), len(quoted), *lines)

    def _take_text(self, result: UnitResult) -> None:
        """Move the text that is written to the result."""
        used = int(self._lines.state[TEXT_BYTES])
        if used:
            result.pieces.append(self._lines.text[:used].tobytes())
            self._lines.state[TEXT_BYTES] = 0

    def _quote_name(self) -> None:
        """Quote the name of the next entry."""
        lines = self._lines
        entry = lines.entries[lines.frames[lines.state[DEPTH] - 1, NEXT]]
        quoted = quote_inside(lines.names[entry[NAME] : entry[NAME] + entry[LENGTH]].tobytes())
        lines.quoted_name[: len(quoted)] = np.frombuffer(quoted, np.uint8)
        lines.state[QUOTED_LENGTH] = len(quoted)

    def _rest(self) -> Iterator[WorkUnit]:
        """The entries that are left as new units, the deepest first."""
        lines = self._lines
        frames = lines.frames[: lines.state[DEPTH]].tolist()
        ends = [*(frame[FIRST] for frame in frames[1:]), int(lines.state[ENTRIES])]
        rests = [(frame[NEXT], end) for frame, end in zip(frames, ends, strict=True)]
        kinds = [(end - first, bool(lines.entries[first:end, IS_DIRECTORY].any())) for first, end in rests]
        sizes = unit_sizes(kinds, int(lines.state[WRITTEN]))
        for frame, (start, after), size in reversed(list(zip(frames, rests, sizes, strict=True))):
            directory = lines.path[: frame[PATH_BYTES]].tobytes()
            for first in range(start, after, size):
                end = min(first + size, after)
                entries = lines.entries[first:end]
                names = np.empty(int((entries[:, LENGTH] + entries[:, IS_DIRECTORY] + 1).sum()), np.uint8)
                names_of(names, first, end, *lines)
                yield WorkUnit(directory, names.tobytes())

    def _close(self) -> None:
        """Close all directories, and forget them."""
        for fd in self._lines.frames[: self._lines.state[DEPTH], FD].tolist():
            if fd >= 0:
                os.close(fd)
        self._lines.state[DEPTH] = 0
