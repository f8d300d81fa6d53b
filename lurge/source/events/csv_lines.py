"""Events in CSV files: a line of names, then a line for each event.

Columns may be in any order; columns of other names are ignored. Each line is one event: no valid field holds the end of
a line, so that a stray quote spoils its own line only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from lurge.display import counted
from lurge.errors import LedgerError
from lurge.model.event import COLUMNS, LONGEST_INPUT, Event
from lurge.source.events.fields import event_of

BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 16


class Line(NamedTuple):
    """A line of a file. number: from 1. end: the offset of the next line. event: the reasons if it is not valid."""

    number: int
    end: int
    event: Event | tuple[str, ...]
    input: bytes


def read_header(file: BinaryIO) -> tuple[str, ...]:
    """Return the names of the columns, and leave the file behind them. Raises LedgerError."""
    line = file.readline(LONGEST_LINE + 1)
    try:
        names = tuple(split(line.removeprefix(BOM).rstrip(b"\r\n")))
    except ValueError as error:
        raise LedgerError(f"line 1: {error}") from error
    if missing := [name for name in COLUMNS if name not in names]:
        raise LedgerError(f"line 1 does not name {', '.join(missing)}", f"It must name {','.join(COLUMNS)}.")
    if len(set(names)) != len(names):
        raise LedgerError("line 1 names a column twice", f"It must name {','.join(COLUMNS)}.")
    return names


def read_lines(file: BinaryIO, names: Sequence[str], number: int) -> Iterator[Line]:
    """Yield the lines of a file from where it is. Empty ones are left out.

    names: of the columns. number: of the first line. A line that ends without a newline is whole: it is the last one.
    """
    places = tuple(names.index(name) for name in COLUMNS)
    count = len(names)
    position = file.tell()
    while raw := file.readline(LONGEST_LINE + 1):
        position += len(raw)
        text = raw.rstrip(b"\r\n")
        if len(text) > LONGEST_LINE:
            position, text = skip_rest(file, position, text)
            yield Line(number, position, (f"the line is longer than {LONGEST_LINE} bytes",), text)
        elif text:
            yield Line(number, position, event_in(text, count, places), text)
        number += 1


def skip_rest(file: BinaryIO, position: int, text: bytes) -> tuple[int, bytes]:
    """Read the rest of a long line; returns the position behind it, and as much of the line as is kept."""
    kept = bytearray(text)
    while more := file.readline(LONGEST_LINE):
        position += len(more)
        kept += more[: max(0, LONGEST_INPUT - len(kept))]
        if more.endswith(b"\n"):
            break
    return position, bytes(kept).rstrip(b"\r\n")


def event_in(text: bytes, count: int, places: Sequence[int]) -> Event | tuple[str, ...]:
    """Return the event in a line, or the reasons why there is none."""
    try:
        fields = split(text)
    except ValueError as error:
        return (str(error),)
    if len(fields) != count:
        return (f"the line has {counted(len(fields), 'field')} instead of {count}",)
    return event_of({name: fields[place] for name, place in zip(COLUMNS, places, strict=True)})


def split(line: bytes) -> list[str]:
    """Return the fields of a line. Raises ValueError."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the line is not UTF-8 at byte {error.start + 1}") from None
    if '"' not in text:
        return text.split(",")
    try:
        (fields,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"the line has malformed quotes: {error}") from None
    return fields
