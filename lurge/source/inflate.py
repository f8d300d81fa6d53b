"""Reading a dump as a stream of bytes: gzip of one or many members, or plain text.

Format of gzip: RFC 1952. Members are inflated as raw deflate and their headers and trailers read here, so that a cut or
corrupt stream is always noticed, with its byte offset. Memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from isal import igzip_lib, isal_zlib

from lurge.errors import StreamError

MAGIC = b"\x1f\x8b"
DEFLATE = 8
READ_BYTES = 1 << 19
INFLATED_BYTES = 1 << 19
"""Larger pieces are slower: their memory is fetched from the system and given back each time."""
LONGEST_HEADER = 1 << 17
TRAILER_BYTES = 8
HEADER_CRC, EXTRA, NAME, COMMENT, RESERVED = 2, 4, 8, 16, 0xE0


class DumpReader:
    """Chunks of a dump's text. `position` is how many bytes of the file were read so far."""

    def __init__(self, path: Path) -> None:
        self.position = 0
        self._path = path
        self._input = b""

    def __iter__(self) -> Iterator[bytes]:
        """Non-empty chunks of at most INFLATED_BYTES. Raises StreamError."""
        try:
            with self._path.open("rb") as file:
                self._fill(file)
                if not self._input:
                    raise self._error("the file is empty")
                if self._input.startswith(MAGIC):
                    yield from self._inflate(file)
                else:
                    while self._input:
                        yield self._input
                        self._input = b""
                        self._fill(file)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from error

    def _error(self, problem: str) -> StreamError:
        return StreamError(f"{self._path}: {problem}, at byte {self.position - len(self._input)}")

    def _fill(self, file: BinaryIO) -> bool:
        """Append to the input; False at the end of the file."""
        more = file.read(READ_BYTES)
        self.position += len(more)
        self._input += more
        return bool(more)

    def _need(self, file: BinaryIO, length: int, what: str) -> None:
        while len(self._input) < length:
            if not self._fill(file):
                self._input = b""
                raise self._error(f"the stream is cut short in {what}")

    def _inflate(self, file: BinaryIO) -> Iterator[bytes]:
        while self._input.strip(b"\0") or self._fill(file):
            if not self._input.strip(b"\0"):
                self._input = b""  # gzip, too, ignores zero bytes after the last member
                continue
            self._need(file, len(MAGIC), "a gzip header")
            if not self._input.startswith(MAGIC):
                raise self._error("what follows is no gzip member")
            self._skip_header(file)
            yield from self._member(file)

    def _skip_header(self, file: BinaryIO) -> None:
        self._need(file, 10, "a gzip header")
        if self._input[2] != DEFLATE or self._input[3] & RESERVED:
            raise self._error("this is no gzip member")
        flags, length = self._input[3], 10
        if flags & EXTRA:
            self._need(file, length + 2, "a gzip header")
            length += 2 + int.from_bytes(self._input[length : length + 2], "little")
        for flag in (NAME, COMMENT):
            if flags & flag:
                length = self._end_of_text(file, length)
        length += 2 if flags & HEADER_CRC else 0
        self._need(file, length, "a gzip header")
        self._input = self._input[length:]

    def _end_of_text(self, file: BinaryIO, start: int) -> int:
        while (end := self._input.find(b"\0", start)) < 0:
            if len(self._input) > LONGEST_HEADER:
                raise self._error("this is no gzip header")
            self._need(file, len(self._input) + 1, "a gzip header")
        return end + 1

    def _member(self, file: BinaryIO) -> Iterator[bytes]:
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        checksum = size = 0
        while not inflater.eof:
            taken = b""
            if inflater.needs_input:
                self._need(file, 1, "compressed data")
                taken, self._input = self._input, b""
            try:
                text = inflater.decompress(taken, INFLATED_BYTES)
            except igzip_lib.error as error:  # type: ignore[misc]  # the stub calls the class an instance
                self._input = taken
                raise self._error(f"the compressed data are corrupt ({error})") from error
            if text:
                checksum = isal_zlib.crc32(text, checksum)
                size += len(text)
                yield text
        self._input = inflater.unused_data + self._input
        self._need(file, TRAILER_BYTES, "the trailer")
        trailer = self._input[:TRAILER_BYTES]
        if trailer != checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"):
            raise self._error("the checksum or length in the trailer does not fit the data")
        self._input = self._input[TRAILER_BYTES:]
