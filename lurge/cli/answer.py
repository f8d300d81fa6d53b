"""Answers of commands that ask: as a table, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from textwrap import indent
from typing import Annotated, Any, NamedTuple

import typer

from lurge.cli.options import put, say, say_json
from lurge.cli.table import or_missing, rows_aligned
from lurge.display import display
from lurge.errors import UsageError
from lurge.model.paths import shown

CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


class Answer(NamedTuple):
    """The rows of an answer, and the names of their columns."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]


def need_one_form(*wanted: bool) -> None:
    """Raise UsageError if several forms are wanted."""
    if sum(wanted) > 1:
        raise UsageError("--json, --csv and other forms exclude each other")


def say_answer(answer: Answer, as_json: bool, as_csv: bool, is_list: bool = False) -> None:
    """Print an answer. is_list: JSON is a list of objects, instead of an object with `rows`."""
    if as_json:
        rows = [dict(zip(answer.names, map(plain, row), strict=True)) for row in answer.rows]
        say_json(rows if is_list else {"rows": rows})
    elif as_csv:
        put(csv_of(answer))
    else:
        texts = [tuple(or_missing(None) if value is None else display(value) for value in row) for row in answer.rows]
        say(*rows_aligned([tuple(name.replace("_", " ") for name in answer.names), *texts], 1))


ROWS_AT_ONCE = 1000


def say_batches(names: Sequence[str], rows: Iterable[Sequence[Any]], as_csv: bool) -> None:
    """Print rows as CSV, else as a JSON list of objects, without holding all."""
    if as_csv:
        remaining = iter(rows)
        put(csv_of(Answer(names, list(islice(remaining, ROWS_AT_ONCE)))))
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            put(csv_of(Answer(names, some)).partition("\n")[2])
        return
    remaining, before = iter(rows), "[\n"
    while some := list(islice(remaining, ROWS_AT_ONCE)):
        objects = (dict(zip(names, map(plain, row), strict=True)) for row in some)
        texts = (indent(json.dumps(one, indent=2, default=str), "  ") for one in objects)
        put(before + ",\n".join(texts), end="")
        before = ",\n"
    put("[]" if before == "[\n" else "\n]")


def plain(value: Any) -> Any:
    """A value as JSON has it: whole numbers of any size are numbers, times are in ISO 8601."""
    if isinstance(value, Decimal) and value == int(value):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return shown(value)
    return value.isoformat() if isinstance(value, date | datetime) else value


def cell(value: Any) -> Any:
    """A value as CSV has it."""
    value = plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    return display(value) if isinstance(value, str) else value


def csv_of(answer: Answer) -> str:
    """An answer as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.names)
    writer.writerows(map(cell, row) for row in answer.rows)
    return text.getvalue().rstrip("\n")
