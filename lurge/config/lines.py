"""Lines of lurge.toml on which keys stand, for messages. tomllib does not tell them."""

from __future__ import annotations

import re
from collections import Counter

PART = r"\"[^\"]*\"|'[^']*'|[\w-]+"
HEADER = re.compile(rf"\s*(\[\[?)\s*((?:{PART})(?:\s*\.\s*(?:{PART}))*)\s*\]")
ASSIGNMENT = re.compile(rf"\s*((?:{PART})(?:\s*\.\s*(?:{PART}))*)\s*=")


def line_of(text: str, key: str) -> int | None:
    """The line of a dotted key, or of the nearest table or value that holds it; None if nothing does."""
    wanted = key.replace('"', "")
    table, arrays = "", Counter[str]()
    best, longest = None, 0
    for number, line in enumerate(text.split("\n"), 1):
        if header := HEADER.match(line):
            table = plain(header[2])
            if header[1] == "[[":
                arrays[table] += 1
                table = f"{table}[{arrays[table] - 1}]"
            name = table
        elif assignment := ASSIGNMENT.match(line):
            name = f"{table}.{plain(assignment[1])}".strip(".")
        else:
            continue
        if len(name) > longest and (wanted == name or wanted.startswith((f"{name}.", f"{name}["))):
            best, longest = number, len(name)
    return best


def plain(dotted: str) -> str:
    """A dotted key without quotes and the spaces around its dots."""
    return ".".join(part.strip("\"'") for part in re.findall(PART, dotted))
