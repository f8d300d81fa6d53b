"""Cutting a stream of bytes into blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.aggregate.era import detect_era
from lurge.compiled import compiled
from lurge.model.report import LONGEST_LINE
from lurge.source.inflate import DumpReader

STRIDE = 1024
BLOCKS_PER_MESSAGE = 32
SAMPLE_BYTES = 1 << 20


class Batch(NamedTuple):
    """Several blocks that travel together: uint8 text of whole lines, the number of the first, and how many."""

    first_line: int
    lines: int
    text: npt.NDArray[np.uint8]


@compiled
def count_newlines(text):
    """How many newlines are in at most STRIDE bytes."""
    count = np.uint16(0)
    for i in range(len(text)):
        count += np.uint16(text[i] == 10)
    return np.int64(count)


@compiled
def find_block_ends(text, block_lines, ends):
    """Fill `ends` (int64) with the place after every `block_lines`-th newline; returns how many there are."""
    found = lines = start = 0
    while start < len(text):
        part = text[start : start + STRIDE]
        here = count_newlines(part)
        if lines + here < block_lines:
            lines += here
        else:
            for i in range(len(part)):
                if part[i] == 10:
                    lines += 1
                    if lines == block_lines:
                        ends[found] = start + i + 1
                        found += 1
                        lines = 0
        start += STRIDE
    return found


def cut(chunks: Iterable[bytes], block_lines: int, blocks: int = BLOCKS_PER_MESSAGE) -> Iterator[Batch]:
    """Batches of at most `blocks` blocks of `block_lines` lines; the stream's last block may be shorter.

    Their text is writable, because kernels are compiled for one kind of array.

    Of a line longer than any that is read, only as much is kept as shows that it is.
    """
    rest = b""
    first_line = 1
    skipping = False
    for chunk in chunks:
        if skipping:
            newline = chunk.find(b"\n")
            if newline < 0:
                continue
            chunk, skipping = chunk[newline:], False
        text = np.empty(len(rest) + len(chunk), np.uint8)
        text[: len(rest)] = np.frombuffer(rest, np.uint8)
        text[len(rest) :] = np.frombuffer(chunk, np.uint8)
        ends = np.empty(len(text) // block_lines + 1, np.int64)
        ends = ends[: find_block_ends(text, block_lines, ends)]
        start = 0
        for i in range(0, len(ends), blocks):
            group = ends[i : i + blocks]
            lines = len(group) * block_lines
            yield Batch(first_line, lines, text[start : group[-1]])
            first_line += lines
            start = int(group[-1])
        rest = text[start:].tobytes()
        line_start = rest.rfind(b"\n") + 1
        if len(rest) - line_start > LONGEST_LINE:
            rest, skipping = rest[: line_start + LONGEST_LINE + 1], True
    if rest:
        lines = rest.count(b"\n") + (not rest.endswith(b"\n"))
        yield Batch(first_line, lines, np.frombuffer(bytearray(rest), np.uint8))


class OpenDump:
    """A dump whose era was told from its beginning, ready to be cut."""

    def __init__(self, path: Path) -> None:
        """Read the first SAMPLE_BYTES. Raises StreamError."""
        self._reader = DumpReader(path)
        self._chunks = iter(self._reader)
        self._first: list[bytes] = []
        while sum(map(len, self._first)) < SAMPLE_BYTES and (chunk := next(self._chunks, None)) is not None:
            self._first.append(chunk)
        sample = b"".join(self._first)[:SAMPLE_BYTES]
        self.era = detect_era(sample[: sample.rfind(b"\n") + 1] or sample)

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._reader.position

    def batches(self, block_lines: int) -> Iterator[Batch]:
        """The whole dump, once. Raises StreamError."""
        return cut(self._all_chunks(), block_lines)

    def _all_chunks(self) -> Iterator[bytes]:
        while self._first:
            yield self._first.pop(0)
        yield from self._chunks
