"""Writing paths in the form of Go's %q, as wrstat does (strconv.Quote)."""

from __future__ import annotations

import re

PLAIN = re.compile(rb"[ !#-\[\]-~]*")
"""Bytes that are written unchanged. Paths with any other byte take the slow path."""

SHORT = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"',
}  # fmt: skip
FIRST_SURROGATE, LAST_SURROGATE = "\udc80", "\udcff"


def quote_character(character: str) -> str:
    """The quoted form of one character of a path that was decoded with surrogateescape."""
    if character in SHORT:
        return SHORT[character]
    if FIRST_SURROGATE <= character <= LAST_SURROGATE:
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote_inside(text: bytes) -> bytes:
    """The quoted form of any part of a path, without the surrounding quotes. It must not end within a character."""
    if PLAIN.fullmatch(text):
        return text
    return "".join(map(quote_character, text.decode("utf-8", "surrogateescape"))).encode()
