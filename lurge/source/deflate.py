"""Writing gzip."""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

LEVEL = 1
GZIP = 31
"""The window of 2^15 bytes, with the frame of gzip (zlib's `deflateInit2`)."""


def deflating() -> Any:
    """A compressor of one member of gzip: `compress` takes bytes, `flush` ends it."""
    return isal_zlib.compressobj(LEVEL, wbits=GZIP)
