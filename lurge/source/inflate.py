"""Reading a dump as a stream of bytes: gzip with one or several members, or plain text.

Format of gzip: RFC 1952. A truncated or corrupt stream is always detected and reported with its byte offset. Memory use
does not depend on the size of the file.
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
    """A dump's text. `position`: the number of bytes of the file (compressed) that were read so far."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises StreamError if it cannot be read."""
        self.position = 0
        self._path = path
        try:
            self._file = io.FileIO(path)
            start = self._file.read(len(MAGIC))
            self._file.seek(0)
        except OSError as error:
            raise self._error(problem_of(error), permission_advice(error)) from error
        self._text: Any = inflating(self._file) if start == MAGIC else self._file
        self._handed_out = 0

    def read_into(self, buffer: memoryview) -> int:
        """Read the next bytes of text into `buffer`, which must not be empty. Returns their number, 0 at the end.

        Raises StreamError.
        """
        try:
            try:
                count = self._text.readinto(buffer) or 0
            except OverflowError:
                self._restart_with_gzip()
                count = self._text.readinto(buffer) or 0
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

    def _restart_with_gzip(self) -> None:
        """Continue with a slower reader, for a gzip header (it may hold a long file name) longer than READ_BYTES."""
        self._file.seek(0)
        self._text = gzip.GzipFile(fileobj=io.BufferedReader(self._file, READ_BYTES))
        remaining = self._handed_out
        while remaining:
            skipped = len(self._text.read(min(remaining, READ_BYTES)))
            if not skipped:
                raise EOFError
            remaining -= skipped

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _error(self, problem: str, advice: str | None = None) -> StreamError:
        return StreamError(f"{self._path}: {problem}, at byte {self.position}", advice)


def inflating(file: Any) -> Any:
    """A reader of the text in a gzip file, which is open for reading bytes."""
    try:
        # _GzipReader inflates directly into the caller's buffer. The public class, IGzipFile, copies once more.
        return isal_zlib._GzipReader(file, READ_BYTES)
    except (AttributeError, TypeError):
        fall_back("isal's _GzipReader", "inflating a dump takes longer")
        buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file, READ_BYTES)
        return gzip.GzipFile(fileobj=buffered)


def problem_of(error: Exception) -> str:
    """The problem, in words, that an exception raised while reading a stream stands for."""
    if isinstance(error, EOFError):
        return "the stream is cut short"
    if isinstance(error, OSError) and not isinstance(error, BadGzipFile):
        return error.strerror or str(error)
    return f"the compressed data are corrupt ({error})"
