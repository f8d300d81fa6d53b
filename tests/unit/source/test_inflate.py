"""Reading streams: every shape of gzip, and every way in which it can be broken."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.errors import StreamError
from lurge.source.inflate import DumpReader

compress = partial(gzip.compress, mtime=0)

TEXT = b"".join(b"%d\tsome text that repeats %d\n" % (i, i % 7) for i in range(20_000))


def pieces(path: Path, size: int = 1000) -> Iterator[bytes]:
    reader = DumpReader(path)
    room = memoryview(bytearray(size))
    while count := reader.read_into(room):
        yield bytes(room[:count])
    reader.close()


def read(path: Path, content: bytes) -> bytes:
    path.write_bytes(content)
    return b"".join(pieces(path))


def sync_flushed(text: bytes) -> bytes:
    """One member as pgzip writes it: flushed to a byte's end after every block."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = b"".join(
        packer.compress(text[i : i + 5000]) + packer.flush(zlib.Z_SYNC_FLUSH) for i in range(0, len(text), 5000)
    )
    return compress(b"")[:10] + body + packer.flush() + struct.pack("<II", zlib.crc32(text), len(text))


def with_header(flags: int, extra: bytes) -> bytes:
    plain = compress(TEXT)
    return plain[:3] + bytes([flags]) + plain[4:10] + extra + plain[10:]


LONG_NAME = b"n" * 700_000 + b"\0"
"""Longer than the buffer of the reader."""


def long_named(text: bytes) -> bytes:
    plain = compress(text)
    return plain[:3] + b"\x08" + plain[4:10] + LONG_NAME + plain[10:]


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        compress(TEXT),
        sync_flushed(TEXT),
        b"".join(compress(TEXT[i : i + 999]) for i in range(0, len(TEXT), 999)),
        compress(b"") + compress(TEXT) + compress(b""),
        compress(TEXT) + b"\0" * 700_000,
        with_header(4, b"\x06\x00abcdef"),
        with_header(8, b"a name\0"),
        with_header(16 | 8, b"name\0comment\0"),
        with_header(2, struct.pack("<H", zlib.crc32(compress(TEXT)[:3] + b"\x02" + compress(TEXT)[4:10]) & 0xFFFF)),
        with_header(4 | 8, b"\x01\x00x" + b"n" * 70_000 + b"\0"),
        with_header(8, LONG_NAME),
        compress(TEXT[:300_000]) + long_named(TEXT[300_000:]) + compress(b""),
    ],
    ids=[
        "plain",
        "one",
        "pgzip",
        "many",
        "empty members",
        "padded",
        "extra",
        "name",
        "comment",
        "crc",
        "long name",
        "very long name",
        "very long name later",
    ],
)
def test_every_shape_of_a_dump_is_read(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path / "dump", content) == TEXT


@pytest.mark.parametrize("cut", [1, 9, 300, 200_000, 700_100])
def test_a_cut_stream_with_a_very_long_header_fails(tmp_path: Path, cut: int) -> None:
    content = compress(TEXT[:300_000]) + long_named(TEXT[300_000:310_000])
    with pytest.raises(StreamError, match="cut short|corrupt"):
        read(tmp_path / "dump", content[:-cut])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, 2000))
def test_a_cut_stream_fails(tmp_path: Path, cut: int) -> None:
    content = compress(TEXT)
    with pytest.raises(StreamError, match=r"at byte \d+"):
        read(tmp_path / "dump", content[: max(3, len(content) - cut)])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(10, len(compress(TEXT)) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_fails(tmp_path: Path, place: int, bit: int) -> None:
    content = bytearray(compress(TEXT))
    content[place] ^= 1 << bit
    with pytest.raises(StreamError, match=r"at byte \d+"):
        read(tmp_path / "dump", bytes(content))


@pytest.mark.parametrize("rest", [b"x", b"garbage", b"\x1f\x8b", b"\x1f\x8b\x08\xff" + b"0" * 20, b"\0\0x"])
def test_what_follows_must_be_a_member(tmp_path: Path, rest: bytes) -> None:
    with pytest.raises(StreamError):
        read(tmp_path / "dump", compress(TEXT) + rest)


def test_an_empty_file_is_a_cut_stream(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="empty"):
        read(tmp_path / "dump", b"")
    assert read(tmp_path / "dump", compress(b"")) == b""


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="directory"):
        list(pieces(tmp_path))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=300))
def test_anything_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    for start in (b"", b"\x1f\x8b", b"\x1f\x8b\x08\x00", compress(b"x")[:10]):
        try:
            assert read(tmp_path / "dump", start + content) is not None
        except StreamError:
            continue


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    peaks = []
    for times in (20, 200):
        path.write_bytes(compress(TEXT * times, 1))
        tracemalloc.start()
        for _ in pieces(path, 1 << 19):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5
