"""Cutting a stream of bytes into blocks of whole lines."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lurge.aggregate.era import NEWEST, detect_era
from lurge.kernels.newlines import count_newlines, end_of_lines, end_without
from lurge.model.era import Era
from lurge.model.report import LONGEST_LINE
from lurge.parallel.shared import Text
from lurge.parallel.stages import Stages
from lurge.source.inflate import DumpReader

BUFFER_BYTES = 2 << 20
BLOCKS_PER_MESSAGE = 64
"""What travels in one message, at most: a message costs as much as reading a thousand lines."""

SAMPLE_BYTES, LONGEST_SAMPLE = 1 << 20, 1 << 26
Read = Callable[[memoryview], int]
"""Fills some of a buffer; returns how many bytes, 0 at the end."""


class Batch(NamedTuple):
    """Several blocks that travel together: uint8 text of whole lines, the number of the first, and how many."""

    first_line: int
    lines: int
    text: Text


class Buffers:
    """Buffers that are used again as soon as nothing refers to the text in them: fresh memory is slow to touch."""

    def __init__(self, size: int = BUFFER_BYTES, memory: Text | None = None) -> None:
        """memory: what buffers are made of as long as there is some left."""
        self._size = size
        self._free: deque[memoryview] = deque()
        if memory is not None:
            starts = range(0, len(memory) - size + 1, size)
            self._free.extend(memoryview(memory.data)[start : start + size] for start in starts)

    def take(self, least: int) -> memoryview:
        """A buffer of the usual size, or larger, if `least` bytes need one."""
        if least > self._size:
            return memoryview(bytearray(least))
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(self._size))

    def lend(self, buffer: memoryview) -> Text:
        """The whole buffer as an array; the buffer comes back when the array and all slices of it are gone."""
        text = np.frombuffer(buffer, np.uint8)
        if len(buffer) == self._size:
            # Slices of an array refer to what the array itself was made from.
            weakref.finalize(text.base, self._free.append, buffer).atexit = False
        return text


def cut(read: Read, block_lines: int, buffers: Buffers, blocks: int = BLOCKS_PER_MESSAGE) -> Iterator[Batch]:
    """Batches of at most `blocks` whole blocks of `block_lines` lines, as a buffer holds them; the last may be shorter.

    A buffer that holds less than one block is handed on with the whole lines that it holds, so that memory is bounded
    by bytes, not by lines. The text is writable, because kernels are compiled for one kind of array. Of a line longer
    than any that is read, only as much is kept as shows that it is.
    """
    rest = b""
    first_line = 1
    skipping = ended = False
    while not ended:
        buffer = buffers.take(2 * len(rest))
        buffer[: len(rest)] = rest
        used, ended = fill(read, buffer, len(rest))
        if skipping:
            used, skipping = skip_line(buffer, len(rest), used)
        text = buffers.lend(buffer)[:used]
        total = int(count_newlines(text))
        # A buffer bounds what travels at once: if it holds less than a block, all its whole lines are one.
        lines = total - total % block_lines or total
        end = int(end_without(text, total - lines)) if lines else 0
        start = 0
        while lines:
            part = min(lines, blocks * block_lines)
            after = end if part == lines else int(end_of_lines(text, start, part))
            yield Batch(first_line, part, text[start:after])
            start, lines, first_line = after, lines - part, first_line + part
        rest = text[end:].tobytes()
        line_start = rest.rfind(b"\n") + 1
        if len(rest) - line_start > LONGEST_LINE:
            rest, skipping = rest[: line_start + LONGEST_LINE + 1], True
    if rest:
        lines = rest.count(b"\n") + (not rest.endswith(b"\n"))
        yield Batch(first_line, lines, np.frombuffer(bytearray(rest), np.uint8))


def fill(read: Read, buffer: memoryview, used: int) -> tuple[int, bool]:
    """Read until a buffer is full or the stream ends; returns (bytes used, whether it has ended)."""
    while used < len(buffer):
        count = read(buffer[used:])
        if count == 0:
            return used, True
        used += count
    return used, False


def skip_line(buffer: memoryview, start: int, used: int) -> tuple[int, bool]:
    """Take out buffer[start:used] up to its first newline; returns (bytes used, whether there was none)."""
    text = bytes(buffer[start:used])
    newline = text.find(b"\n")
    if newline < 0:
        return start, True
    left = len(text) - newline
    buffer[start : start + left] = text[newline:]
    return start + left, False


class OpenDump:
    """A dump whose era was told from its beginning, ready to be cut.

    era: the newest if no line among the first LONGEST_SAMPLE bytes speaks for any. Each line is then rejected.
    """

    def __init__(self, path: Path) -> None:
        """Read SAMPLE_BYTES, and more while no line of them is a usual one. Raises StreamError."""
        self.stages = Stages()
        self._reader = DumpReader(path)
        sample, lines_end, ended = bytearray(), 0, False
        era: Era | None = None
        while era is None and not ended and len(sample) < LONGEST_SAMPLE:
            start = lines_end
            buffer = bytearray(SAMPLE_BYTES)
            used, ended = fill(self._reader.read_into, memoryview(buffer), 0)
            sample += buffer[:used]
            lines_end = len(sample) if ended else max(start, sample.rfind(b"\n", len(sample) - used) + 1)
            era = detect_era(bytes(sample[start:lines_end]))
        self.era = era or NEWEST
        self._first = memoryview(sample)

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._reader.position

    def batches(self, block_lines: int, memory: Text | None = None) -> Iterator[Batch]:
        """The whole dump, once; in `memory`, as long as there is room. Raises StreamError."""
        batches = cut(self._read, block_lines, Buffers(memory=memory))
        while True:
            with self.stages("cut"):
                batch = next(batches, None)
            if batch is None:
                break
            yield batch
        # What was inflated for cutting was counted as both.
        self.stages.seconds["cut"] -= self.stages.seconds["inflate"]

    def close(self) -> None:
        """Read no more."""
        self._reader.close()

    def _read(self, room: memoryview) -> int:
        if not self._first:
            with self.stages("inflate"):
                return self._reader.read_into(room)
        count = min(len(room), len(self._first))
        room[:count] = self._first[:count]
        self._first = self._first[count:]
        return count
