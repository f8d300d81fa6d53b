"""Reading a dump as a stream of bytes: gzip of one or many members, or plain text.

Format of gzip: RFC 1952. A cut or corrupt stream is always noticed, with its byte offset. Memory does not grow with the
file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from gzip import BadGzipFile
from pathlib import Path
from typing import Any

from isal import isal_zlib

from lurge.errors import StreamError, permission_advice
from lurge.fallbacks import fall_back

MAGIC = b"\x1f\x8b"
READ_BYTES = 1 << 19


class DumpReader:
    """A dump's text. `position` is how many bytes of the file were read so far."""

    def __init__(self, path: Path) -> None:
        """Raises StreamError where the file cannot be read."""
        self.position = 0
        self._path = path
        try:
            self._file = io.FileIO(path)
            begins = self._file.read(len(MAGIC))
            self._file.seek(0)
        except OSError as error:
            raise self._error(problem_of(error), permission_advice(error)) from error
        self._text: Any = inflating(self._file) if begins == MAGIC else self._file
        self._handed_out = 0

    def read_into(self, room: memoryview) -> int:
        """Put the next bytes of text into `room`, which must not be empty; returns how many, 0 at the end.

        Raises StreamError.
        """
        try:
            try:
                count = self._text.readinto(room) or 0
            except OverflowError:
                self._begin_again()
                count = self._text.readinto(room) or 0
            self.position = self._file.tell()
            self._handed_out += count
        except (EOFError, OSError, zlib.error, isal_zlib.error) as error:  # type: ignore[misc]  # the stub calls the class an instance
            self.position = self._file.tell()
            self.close()
            raise self._error(problem_of(error)) from error
        if not self.position:
            self.close()
            raise self._error("the file is empty")
        return count

    def _begin_again(self) -> None:
        """Go on with a slower reader: a header, which may hold a name of any length, is longer than READ_BYTES."""
        self._file.seek(0)
        self._text = gzip.GzipFile(fileobj=io.BufferedReader(self._file, READ_BYTES))
        left = self._handed_out
        while left:
            passed = len(self._text.read(min(left, READ_BYTES)))
            if not passed:
                raise EOFError
            left -= passed

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def _error(self, problem: str, advice: str | None = None) -> StreamError:
        return StreamError(f"{self._path}: {problem}, at byte {self.position}", advice)


def inflating(file: io.FileIO) -> Any:
    """A reader of the text in a gzip file."""
    try:
        # What is below IGzipFile fills the given memory itself; IGzipFile would copy into it.
        return isal_zlib._GzipReader(file, READ_BYTES)
    except (AttributeError, TypeError):
        fall_back("isal's _GzipReader", "inflating a dump takes longer")
        return gzip.GzipFile(fileobj=io.BufferedReader(file, READ_BYTES))


def problem_of(error: Exception) -> str:
    """What an exception while reading a stream means."""
    if isinstance(error, EOFError):
        return "the stream is cut short"
    if isinstance(error, OSError) and not isinstance(error, BadGzipFile):
        return error.strerror or str(error)
    return f"the compressed data are corrupt ({error})"
