"""Backlogs: observations of works in CSV files, line by line.

Columns: obsdate, hostname, srcdir, workdir, workCreateDate, state, imagecount; in some files the publish state stands
before the last. Dates are `YYYY-MM-DD` or `MM-DD-YYYY`. A field may be quoted; a line is one observation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import BinaryIO, NamedTuple

from lurge.errors import WorksError
from lurge.model.works import LONGEST_NAME, Observation, is_published

COLUMNS = ("obsdate", "hostname", "srcdir", "workdir", "workcreatedate", "state", "imagecount")
WITH_PUBLISH_STATE = (*COLUMNS[:-1], "publishstate", COLUMNS[-1])
LONGEST_LINE = 1 << 16
LARGEST = 10**12
"""The largest number of images. Sums of many such numbers still fit into a database."""

DATES_KEPT = 10_000
MOST_KEPT = 50_000
"""Combinations of fields that are kept, so that memory does not grow with their number."""

ISO, AMERICAN = re.compile(r"(\d{4})-(\d{2})-(\d{2})"), re.compile(r"(\d{2})-(\d{2})-(\d{4})")


@dataclass(frozen=True)
class RejectedLine:
    """A line that is not an observation. text: the whole line without its end."""

    number: int
    reason: str
    text: bytes


@dataclass(frozen=True)
class BacklogRules:
    """The states that may occur: by their names in lower case. web: that of published works without another."""

    states: dict[str, str]
    publish_states: dict[str, str]
    web: str


class Seen(NamedTuple):
    """All of an observation that it shares with many others: where and when it was made."""

    day: date
    host: str
    project: str
    create_date: date | None
    state: str
    publish_state: str | None


def read_backlog(lines: Iterable[bytes], rules: BacklogRules) -> Iterator[Observation | RejectedLine]:
    """The observations and rejected lines of a backlog. Raises WorksError if its first line names other columns."""
    places: list[int] = []
    kept: dict[tuple[str, ...], Seen] = {}
    for number, line in enumerate(lines, 1):
        text = line.rstrip(b"\r\n")
        if number == 1:
            names = header(text)
            places = [names.index(name) for name in WITH_PUBLISH_STATE if name in names]
            continue
        if not text.strip():
            continue
        try:
            yield observation(text, places, rules, kept)
        except ValueError as error:
            yield RejectedLine(number, str(error), text[:LONGEST_LINE])
    if not places:
        raise WorksError("the file is empty", "The first line must name the columns.")


def bounded_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long, a part that is too long as well."""
    while line := file.readline(LONGEST_LINE + 2):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 2)


def header(line: bytes) -> tuple[str, ...]:
    """The columns that the first line names. Raises WorksError."""
    try:
        names = tuple(re.sub(r"[ _]", "", name).lower() for name in fields(line.removeprefix(b"\xef\xbb\xbf")))
    except ValueError as error:
        raise WorksError(f"line 1: {error}") from error
    if sorted(names) not in (sorted(COLUMNS), sorted(WITH_PUBLISH_STATE)):
        raise WorksError(
            f"line 1 does not name the columns of a backlog: {', '.join(names)[:200]}",
            f"They are {', '.join(COLUMNS)}; publishstate may stand before the last.",
        )
    return names


def fields(line: bytes) -> list[str]:
    """The fields of a line. Raises ValueError."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"longer than {LONGEST_LINE} bytes")
    if b"\0" in line:
        raise ValueError("a NUL in it")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if '"' not in text:
        return list(map(str.strip, text.split(",")))
    try:
        (row,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise ValueError(f"malformed quotes: {error}") from None
    return [field.strip() for field in row]


def observation(
    line: bytes, places: Sequence[int], rules: BacklogRules, kept: dict[tuple[str, ...], Seen]
) -> Observation:
    """The observation of a line. Raises ValueError.

    places: of the columns in the line, in our order. kept: what was made of fields that occurred before, by these.
    """
    values = fields(line)
    if len(values) != len(places):
        raise ValueError(f"{len(values)} columns instead of {len(places)}")
    day, host, project, work, *others, count = itemgetter(*places)(values)
    shared = (day, host, project, *others)
    seen = kept.get(shared)
    if seen is None:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        seen = kept[shared] = parse_seen(day, host, project, *others, rules=rules)
    check_name(work, "workdir")
    return Observation(*seen[:3], work, *seen[3:], parse_count(count))


def parse_seen(
    day: str, host: str, project: str, made: str, state: str, told: str = "", *, rules: BacklogRules
) -> Seen:
    """Parse the fields that many lines share. told: the publish state. Raises ValueError."""
    check_name(host, "hostname")
    check_name(project, "srcdir")
    state = known(state, rules.states, "state")
    publish_state = None
    if is_published(state):
        publish_state = known(told, rules.publish_states, "publish state") if told else rules.web
    return Seen(
        parse_date(day, "obsdate"), host, project.rstrip("/") or "/",
        parse_date(made, "workCreateDate") if made else None, state, publish_state,
    )  # fmt: skip


def check_name(name: str, column: str) -> None:
    """Raise ValueError if a name cannot be stored."""
    if not name or len(name) > LONGEST_NAME:
        raise ValueError(f"{column} is empty, or longer than {LONGEST_NAME} characters")


def known(name: str, names: dict[str, str], noun: str) -> str:
    """The name of a state as it is configured. Raises ValueError, which names the known ones."""
    if name.casefold() not in names:
        raise ValueError(f"{name!r} is not a {noun}; known are {', '.join(names.values())}")
    return names[name.casefold()]


@lru_cache(maxsize=DATES_KEPT)
def parse_date(text: str, column: str) -> date:
    """A date in one of the two forms. Raises ValueError."""
    for pattern, order in ((ISO, (0, 1, 2)), (AMERICAN, (2, 0, 1))):
        if text.isascii() and (match := pattern.fullmatch(text)):
            parts = match.groups()
            try:
                return date(*(int(parts[place]) for place in order))
            except ValueError:
                break
    raise ValueError(f"{column} {text[:40]!r} is not a date such as 2024-01-31 or 01-31-2024")


def parse_count(text: str) -> int:
    """A number of images. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > LARGEST:
        raise ValueError(f"imagecount {text[:40]!r} is not a whole number from 0 to {LARGEST}")
    return int(text)


def csv_field(text: bytes) -> bytes:
    """A field of CSV in quotes."""
    return b'"' + text.replace(b'"', b'""') + b'"'
