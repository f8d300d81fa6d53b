"""Text that comes from elsewhere, as terminals and logs may show it: on one line, without control characters.

Names of files, groups and users may hold anything: escape sequences that change a terminal, newlines that forge a line
of a log, marks that turn the direction of writing.
"""

from __future__ import annotations

import re
import traceback

SUSPECT = re.compile(r"[^ -~]")
"""Everything but printable ASCII is looked at more closely."""


def escape(character: re.Match[str]) -> str:
    r"""A character as it is if it can be seen, else as `\xHH`, `\uHHHH` or `\UHHHHHHHH`."""
    found = character[0]
    if found.isprintable():
        return found
    code = ord(found)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that was no UTF-8, as the interpreter keeps it.
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def display(value: object) -> str:
    r"""The text of a value on one line: each character that cannot be seen is written as an escape such as `\x1b`.

    Bytes and paths are read as UTF-8, each invalid byte as `\xHH`.
    """
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if text.isascii() and text.isprintable() else SUSPECT.sub(escape, text)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 day`, `2,000 days`; plural: of a noun that takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def display_error(error: BaseException) -> str:
    """A traceback, each line indented, so that nothing in it can be taken for a line of the log."""
    found = "".join(traceback.format_exception(error)).rstrip("\n")
    return "\n".join(f"    {display(line)}" for line in found.split("\n"))
