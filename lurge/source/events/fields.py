"""The fields of an event, checked. The rules are those of `model/event.py`; times are RFC 3339."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from lurge.model.event import COLUMNS, LARGEST, Event, EventType

UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
DIGITS = re.compile(r"[0-9]+")
SHORT = re.compile(r"[0-9]{1,18}")
"""Digits of which every number is at most LARGEST."""

TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:)([0-9]{2})(\.[0-9]+)?"
    r"([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
TYPES = frozenset(EventType)
LEAP, LAST_SECOND = "60", time(23, 59, 59)
LONGEST_SHOWN = 60
MISSING = object()


def event_of(fields: Mapping[str, Any]) -> Event | tuple[str, ...]:
    """Return the event that fields make up, or the reasons why they do not: one for each wrong field.

    fields: values by the names in COLUMNS; texts or, from JSON, numbers and anything else. Others are ignored.
    """
    get = fields.get
    identity, kind, date = get("transaction_id", MISSING), get("event_type", MISSING), get("date", MISSING)
    store, item, value = get("store_number", MISSING), get("item_number", MISSING), get("value", MISSING)
    moment = time_of(date)
    numbers = whole(store, 0), whole(item, 0), whole(value, 1)
    is_identity = type(identity) is str and UUID.fullmatch(identity) is not None
    is_kind = type(kind) is str and kind in TYPES
    if is_identity and is_kind and moment is not None and None not in numbers:
        return Event(identity.lower(), kind, moment, *numbers)  # type: ignore[arg-type]  # None is excluded
    reasons = []
    if not is_identity:
        reasons.append(wrong("transaction_id", identity, "is not a UUID"))
    if not is_kind:
        reasons.append(wrong("event_type", kind, "is neither incoming nor sale"))
    if moment is None:
        reasons.append(wrong("date", date, "is not a time as in RFC 3339"))
    for name, given, number, least in zip(COLUMNS[3:], (store, item, value), numbers, (0, 0, 1), strict=True):
        if number is None:
            reasons.append(wrong(name, given, f"is not a whole number from {least} to {LARGEST}"))
    return tuple(reasons)


def wrong(name: str, value: object, problem: str) -> str:
    """Return the reason why a field is wrong. Its value is shortened, and in printable ASCII."""
    if value is MISSING:
        return f"{name} is missing"
    text = ascii(value)
    return f"{name} {text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + '...'} {problem}"


def whole(value: object, least: int) -> int | None:
    """Return a whole number from `least` to LARGEST, given as a number or as digits; None for anything else."""
    if type(value) is str:
        if SHORT.fullmatch(value):
            number = int(value)
            return number if number >= least else None
        # More digits would be slow to convert, and Python refuses very many.
        if not DIGITS.fullmatch(value) or len(value.lstrip("0")) > len(str(LARGEST)):
            return None
        number = int(value.lstrip("0") or "0")
    elif type(value) is int:
        number = value
    else:
        return None
    return number if least <= number <= LARGEST else None


def time_of(value: object) -> datetime | None:
    """Return a time of RFC 3339 in UTC, without a time zone; None for anything else.

    A leap second is the first moment of the next second. Digits after the microsecond are dropped.
    """
    if type(value) is not str:
        return None
    match = TIME.fullmatch(value)
    if match is None:
        return None
    day, minute, second, fraction, zone = match.groups()
    is_leap = second == LEAP
    try:
        moment = datetime.fromisoformat(
            f"{day}T{minute}{'59' if is_leap else second}{(fraction or '')[:7]}{zone.upper()}"
        )
        moment = moment.astimezone(UTC).replace(tzinfo=None)
        if is_leap:
            # There are leap seconds at the end of days only.
            return moment.replace(microsecond=0) + timedelta(seconds=1) if moment.time() >= LAST_SECOND else None
        return moment
    except (ValueError, OverflowError):
        return None
