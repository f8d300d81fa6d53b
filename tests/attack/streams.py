"""Damaged gzip streams: they are read as Python's gzip reads them, or refused."""

from __future__ import annotations

import gzip
import random
import zlib
from pathlib import Path

import numpy as np

from lurge.errors import StreamError
from lurge.source.inflate import DumpReader
from tests.soak.compare import Difference

STREAMS_A_ROUND = 150


def streams(rng: random.Random, seed: int, folder: Path) -> None:
    """Streams with flipped bits, missing or doubled pieces, and headers of every kind."""
    path = folder / "stream"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(STREAMS_A_ROUND):
        text = rng.randbytes(rng.choice([0, 1, 1000])) * rng.choice([1, 50, 3000])
        members = [member(rng, piece) for piece in np.array_split(np.frombuffer(text, np.uint8), rng.randint(1, 4))]
        stream = bytearray(b"".join(members))
        for _ in range(rng.choice([0, 1, 1, 3])):
            place = rng.randrange(len(stream))
            choice = rng.randrange(4)
            if choice == 0:
                stream[place] ^= 1 << rng.randrange(8)
            elif choice == 1:
                del stream[place : place + rng.choice([1, 8, len(stream)])]
            elif choice == 2:
                stream[place:place] = stream[place : place + rng.choice([1, 100])]
            else:
                stream += rng.choice([b"\0", b"\0" * 9999, b"x", stream[:5]])
            if not stream:
                break
        path.write_bytes(stream)
        if stream[:2] == b"\x1f\x8b":
            same_stream(path)


def member(rng: random.Random, piece: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
    """A member of a gzip stream, with a name of any length in its header."""
    plain = gzip.compress(piece.tobytes(), rng.choice([0, 1, 9]))
    if rng.random() < 0.8:
        return plain
    name = b"n" * rng.choice([0, 10, 70_000, 600_000]) + b"\0"
    return plain[:3] + b"\x08" + plain[4:10] + name + plain[10:]


def same_stream(path: Path) -> None:
    try:
        expected: bytes | None = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error):
        expected = None
    inflated: bytes | None = b""
    try:
        reader = DumpReader(path)
        room = memoryview(bytearray(100_000))
        while count := reader.read_into(room):
            inflated = (inflated or b"") + bytes(room[:count])
        reader.close()
    except StreamError:
        inflated = None
    if inflated != expected:
        said = ["refused" if text is None else f"{len(text)} bytes" for text in (expected, inflated)]
        raise Difference(f"{path}: {said[0]} by Python's gzip, {said[1]} by lurge")
