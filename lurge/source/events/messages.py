"""Events in messages of Kafka: an object of JSON, and headers that lurge itself sets.

Headers of other programs, or malformed ones, count as none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from lurge.model.event import COLUMNS, Event
from lurge.source.events.fields import event_of

FILE, LINE = "lurge-file", "lurge-line"
ATTEMPT, NOT_BEFORE, TOKEN = "attempt", "not-before", "lurge-token"
FIRST_LINE = 2
"""The first line of a file that can be an event."""

LONGEST_NUMBER = 15
"""Digits of a number in a header, at most."""

OWN_KEY = re.compile(rb"[0-9a-f]{32}")
"""Keys of files, and tokens, as lurge makes them."""


OWN = re.compile(
    rb'\{"transaction_id": "([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})", "event_type": "(incoming|sale)",'
    rb' "date": "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?)Z",'
    rb' "store_number": "([0-9]{1,18})", "item_number": "([0-9]{1,18})", "value": "([1-9][0-9]{0,17})"\}'
)
"""Messages as `json_of` writes them, without the largest numbers. They are read without a parser of JSON."""


class Headers(NamedTuple):
    """The values of the headers of a message. not_before: Unix time in seconds, else 0."""

    file: str = ""
    line: int = 0
    attempt: int = 0
    not_before: float = 0.0
    token: str = ""


def parse_message(value: bytes | None) -> Event | tuple[str, ...]:
    """Return the event in a message, or the reasons why there is none."""
    if value is None:
        return ("the message is empty",)
    if own := OWN.fullmatch(value):
        identity, kind, date, store, item, number = own.groups()
        # If there is no such day, the fields are checked below.
        with suppress(ValueError):
            moment = datetime.fromisoformat(date.decode())
            return Event(identity.decode(), kind.decode(), moment, int(store), int(item), int(number))
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return (f"the message is not UTF-8 at byte {error.start + 1}",)
    try:
        fields = json.loads(text, parse_constant=refuse)
    except RecursionError:
        return ("the message is not JSON: it is nested too deeply",)
    except ValueError:
        try:
            # Python does not convert numbers of thousands of digits.
            fields = json.loads(text, parse_int=str, parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            return (f"the message is not JSON: {str(error)[:200]}",)
    if not isinstance(fields, dict):
        return ("the message is JSON, but not an object",)
    return event_of(fields)


def refuse(constant: str) -> None:
    """Raise ValueError for NaN and Infinity, which are not JSON."""
    raise ValueError(f"{constant} is not JSON")


def json_of(event: Event) -> bytes:
    """Return an event as a message has it."""
    date = f"{event.date.isoformat()}Z"
    values = (event.transaction_id, event.event_type, date, str(event.store), str(event.item), str(event.value))
    # None of them has a character that JSON escapes.
    return ("{" + ", ".join(f'"{name}": "{value}"' for name, value in zip(COLUMNS, values, strict=True)) + "}").encode()


def key_of(event: Event) -> bytes:
    """Return the key of an event's message: events of one item stay in order."""
    return b"%d:%d" % (event.store, event.item)


def parse_headers(headers: Iterable[Any] | None) -> Headers:
    """Return what the headers of a message say."""
    if not headers:
        return Headers()
    values = dict(headers)
    file, token = key(values.get(FILE)), key(values.get(TOKEN))
    line = number(values.get(LINE))
    if line < FIRST_LINE:
        file, line = "", 0
    if not token:
        return Headers(file, line)
    return Headers(file, line, number(values.get(ATTEMPT)), number(values.get(NOT_BEFORE)) / 1000, token)


def key(value: object) -> str:
    """Return the key that a header holds; an empty text if it holds none."""
    return value.decode() if isinstance(value, bytes) and OWN_KEY.fullmatch(value) else ""


def number(value: object) -> int:
    """Return the number that a header holds; 0 if it holds none."""
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > LONGEST_NUMBER:
        return 0
    return int(value)


def file_headers(key: str, line: int) -> list[tuple[str, bytes]]:
    """Return the headers of an event that was read in a file."""
    return [(FILE, key.encode()), (LINE, b"%d" % line)]


def retry_headers(attempt: int, not_before: float, token: str) -> list[tuple[str, bytes]]:
    """Return the headers of an event that is sent again. not_before: Unix time in seconds."""
    return [(ATTEMPT, b"%d" % attempt), (NOT_BEFORE, b"%d" % round(not_before * 1000)), (TOKEN, token.encode())]
