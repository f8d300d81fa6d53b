"""Tables: one form for pages, JSON, CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from lurge.display import display

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "bytes", "count", "share", "days", "date", "level", "growth"]
"""Kinds of columns: `bytes` and `growth` are in bytes, `share` is a fraction, `days` a number, `level` 1 to 3."""

Row = Mapping[str, Any]
NUMBERS = frozenset({"bytes", "count", "days", "level", "growth"})
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that a spreadsheet would take for a formula."""

LARGEST = 2**63 - 1
"""The largest number of a column of integers. Sums of absurd sizes are decimals."""

MOST_ROWS = 1_000_000
"""Rows of a download, at most."""


@dataclass(frozen=True)
class Column:
    """A column. From a row: link, the address that its cell leads to; level, the colour of its cell, 1 to 3."""

    name: str
    title: str
    kind: Kind = "text"
    link: Callable[[Row], str | None] | None = field(default=None, compare=False)
    help: str = ""
    level: Callable[[Row], int | None] | None = field(default=None, compare=False)

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS or self.kind == "share"


@dataclass(frozen=True)
class Order:
    """The order and part of a table that is asked for.

    by: the name of a column, with a minus in front for the largest first; empty: the table's own order. page: from 1.
    """

    by: str = ""
    page: int = 1
    size: int = 25

    @property
    def column(self) -> str:
        return self.by.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        return self.by.startswith("-")

    @property
    def start(self) -> int:
        return (self.page - 1) * self.size


ALL = Order(size=MOST_ROWS)


@dataclass
class Table:
    """Some rows of a table, and the number of all.

    empty: what to say, and to do, if there is no row. order: the part that was asked for. shown: rows of which a page
    shows at most so many; downloads have all.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    total: int
    empty: str = "Nothing to show."
    order: Order | None = None
    shown: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The rows as objects, with their number."""
        names = [column.name for column in self.columns]
        return {"total": self.total, "rows": [{name: plain(row.get(name)) for name in names} for row in self.rows]}

    def as_csv(self) -> str:
        """The rows as CSV with a line of names. Text that begins like a formula gets an apostrophe in front."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.name for column in self.columns)
        for row in self.rows:
            writer.writerow(cell(row.get(column.name)) for column in self.columns)
        return text.getvalue()

    def as_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        import pyarrow as pa

        arrays = {}
        for column in self.columns:
            values = [row.get(column.name) for row in self.rows]
            kind = pa.date32() if column.kind == "date" else pa.int64() if column.kind in NUMBERS else None
            kind = pa.float64() if column.kind == "share" else kind or pa.string()
            if kind == pa.int64() and any(abs(value or 0) > LARGEST for value in values):
                kind = pa.decimal128(38)
            arrays[column.name] = pa.array([as_kind(value, kind == pa.string()) for value in values], kind)
        return pa.table(arrays)


def as_kind(value: Any, is_text: bool) -> Any:
    return None if value is None else str(value) if is_text else value


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def cell(value: Any) -> Any:
    """A value as CSV has it."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = display(value)
        return f"'{text}" if text.startswith(FORMULA) else text
    return plain(value)


def in_order(rows: Iterable[Row], order: Order, columns: Sequence[Column]) -> list[Row]:
    """Rows in the order that is asked for, if it is one of the columns; those without a value come last."""
    listed = list(rows)
    if order.column not in {column.name for column in columns}:
        return listed
    valued = [(row.get(order.column), row) for row in listed]
    known = [pair for pair in valued if pair[0] is not None]
    known.sort(key=lambda pair: sort_key(pair[0]), reverse=order.is_descending)
    return [row for _, row in known] + [row for value, row in valued if value is None]


def sort_key(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def table_of(
    name: str, title: str, columns: Sequence[Column], rows: Iterable[Row], order: Order, empty: str = "Nothing to show."
) -> Table:
    """A table of rows that are all in memory: sorted, and the page that is asked for."""
    listed = in_order(rows, order, columns)
    part = listed[order.start : order.start + order.size]
    return Table(name, title, columns, part, len(listed), empty, order)


class RowsOf(Sequence[Row]):
    """The rows of named tuples, each made when it is needed: a page shows few of thousands."""

    def __init__(self, things: Sequence[Any]) -> None:
        self._things = things

    def __len__(self) -> int:
        return len(self._things)

    def __getitem__(self, place: Any) -> Any:
        return RowsOf(self._things[place]) if isinstance(place, slice) else self._things[place]._asdict()


def first_rows(
    name: str, title: str, columns: Sequence[Column], rows: Sequence[Row], shown: int, empty: str = "Nothing to show."
) -> Table:
    """A table in the order of its rows, of which a page shows the first."""
    return Table(name, title, columns, rows[:MOST_ROWS], len(rows), empty, shown=shown)
