"""Answers of commands that ask: as a table, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import typer

from lurge.cli.options import put, say, say_json
from lurge.cli.table import or_missing, rows_aligned
from lurge.display import display
from lurge.errors import UsageError

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


class Answer(NamedTuple):
    """The rows of an answer, and the names of their columns."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]


def need_one_form(*wanted: bool) -> None:
    """Raise UsageError if several forms are wanted."""
    if sum(wanted) > 1:
        raise UsageError("--json, --csv and other forms exclude each other")


def say_answer(answer: Answer, json: bool, as_csv: bool, is_list: bool = False) -> None:
    """Print an answer. is_list: JSON is a list of objects, instead of an object with `rows`."""
    if json:
        rows = [dict(zip(answer.names, map(plain, row), strict=True)) for row in answer.rows]
        say_json(rows if is_list else {"rows": rows})
    elif as_csv:
        put(csv_of(answer))
    else:
        texts = [tuple(or_missing(None) if value is None else display(value) for value in row) for row in answer.rows]
        say(*rows_aligned([tuple(name.replace("_", " ") for name in answer.names), *texts], 1))


def plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers of any size are numbers."""
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


def csv_of(answer: Answer) -> str:
    """An answer as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.names)
    writer.writerows([display(value) if isinstance(value, str) else value for value in row] for row in answer.rows)
    return text.getvalue().rstrip("\n")
