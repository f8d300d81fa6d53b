"""The text form of rows for LOAD DATA of MySQL and COPY of PostgreSQL."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from lurge.store.database.dialect import Row

ROWS_A_PIECE = 500
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})

Escapes = Mapping[int, str]


class RowText:
    """The text of some rows. count: the number of rows that were read so far."""

    def __init__(self, rows: Iterable[Row], escapes: Escapes = ESCAPES) -> None:
        self._rows = iter(rows)
        self._escapes = escapes
        self.count = 0

    def pieces(self) -> Iterator[bytes]:
        """Yield the text of the rows, many rows at a time."""
        escapes = self._escapes
        while rows := list(islice(self._rows, ROWS_A_PIECE)):
            self.count += len(rows)
            lines = ["\t".join([field(value, escapes) for value in row]) + "\n" for row in rows]
            yield "".join(lines).encode()


def field(value: object, escapes: Escapes = ESCAPES) -> str:
    """Return the text of one value."""
    if type(value) is int or type(value) is float:
        return repr(value)
    if value is None:
        return NULL
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).translate(escapes)
