"""Tables for people, at most as wide as their content: numbers to the right, texts to the left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lurge.display import display
from lurge.export.tsv import MISSING

WIDEST = 24
"""A longer text shifts the rest of its row instead of widening its column."""


def table_lines(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> Iterator[str]:
    """A line of heads and a line for each row. texts: number of columns at the end that are texts."""
    yield from rows_aligned([heads, *rows], texts)


def rows_aligned(rows: Sequence[Sequence[str]], texts: int = 1) -> Iterator[str]:
    """A line for each row; rows have equal numbers of cells. Empty columns are left out.

    texts: number of columns at the end that are texts.
    """
    shown = [[display(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    numbers = len(widths) - texts
    for row in shown:
        cells = [
            cell.rjust(width) if place < numbers else cell.ljust(min(width, WIDEST))
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            if width
        ]
        yield ("  " + "  ".join(cells)).rstrip()


def share(part: int, total: int) -> str:
    """A part of a total in percent, to one decimal. A part above 0 is never shown as 0."""
    if not total:
        return MISSING
    tenths = (part * 1000 + total // 2) // total
    return "<0.1%" if part > 0 and not tenths else f"{tenths // 10}.{tenths % 10}%"


def or_missing(value: object) -> str:
    """A value as text, `-` if it is missing."""
    return MISSING if value is None else str(value)
