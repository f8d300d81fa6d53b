"""Events that change amounts, and what becomes of each."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

COLUMNS = ("transaction_id", "event_type", "date", "store_number", "item_number", "value")
"""The fields of an event, in CSV as in JSON."""

LARGEST = 2**63 - 1
LONGEST_INPUT = 1 << 20
"""Bytes of an invalid input that are kept, at most."""


class EventType(StrEnum):
    """The kind of a change."""

    INCOMING = "incoming"
    SALE = "sale"


class Event(NamedTuple):
    """A valid event.

    transaction_id: a UUID in lower case. date: in UTC, without a time zone. value: 1 to LARGEST.
    """

    transaction_id: str
    event_type: str
    date: datetime
    store: int
    item: int
    value: int


class ErrorKind(StrEnum):
    """The reason why an event is not applied."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN_ITEM = "unknown item"
    BEYOND_AMOUNT = "beyond amount"
    OVERFLOW = "overflow"


class Place(NamedTuple):
    """The place of an event: in a topic, or, with the topic empty, in a file. line: from 1; 0 if it is unknown.

    file: the key of a file that the importer read; empty for events of other programs.
    """

    topic: str
    partition: int
    offset: int
    file: str = ""
    line: int = 0


class Message(NamedTuple):
    """One message, or one line, to be applied.

    event: the reasons if the input is not a valid one. input: as it was. attempt: the number of retries so far. token:
    of the row in the outbox that this message came from; empty for one that did not come from there.
    """

    place: Place
    event: Event | tuple[str, ...]
    input: bytes
    attempt: int = 0
    token: str = ""
