"""Safe display of foreign text on terminals and in logs: on one line, without control characters.

Names of files, groups and users may contain anything: escape sequences that change a terminal, newlines that forge a
line of a log, marks that reverse the direction of writing.
"""

from __future__ import annotations

import re
import traceback

SUSPECT = re.compile(r"[^ -~]")
"""Characters to check: everything except printable ASCII."""


def escape(character: re.Match[str]) -> str:
    r"""A character unchanged if it is printable, else as `\xHH`, `\uHHHH` or `\UHHHHHHHH`."""
    text = character[0]
    if text.isprintable():
        return text
    code = ord(text)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that is not valid UTF-8, as a surrogate (surrogateescape).
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def display(value: object) -> str:
    r"""The text of a value on one line. Characters that are not printable become escapes such as `\x1b`.

    Bytes are decoded as UTF-8. Invalid bytes, also in paths, become `\xHH`.
    """
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if text.isascii() and text.isprintable() else SUSPECT.sub(escape, text)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 day`, `2,000 days`. plural: for nouns whose plural is not formed with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def display_error(error: BaseException) -> str:
    """A traceback with every line indented, so that no line can be mistaken for a line of the log."""
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    return "\n".join(f"    {display(line)}" for line in text.split("\n"))
