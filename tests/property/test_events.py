"""Hostile events, in fields, lines and messages; and what becomes of events, held to a plain model."""

from __future__ import annotations

import io
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lurge.errors import LedgerError
from lurge.model.event import COLUMNS, LARGEST, ErrorKind, Event
from lurge.source.events.csv_lines import LONGEST_LINE, read_header, read_lines
from lurge.source.events.fields import event_of, time_of, whole
from lurge.source.events.messages import Headers, json_of, parse_headers, parse_message
from lurge.store.ledger.decide import Amounts, Fate

HEADER = b"transaction_id,event_type,date,store_number,item_number,value"
numbers = st.integers(0, LARGEST)
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
events = st.builds(
    Event, st.uuids().map(str), st.sampled_from(["incoming", "sale"]), times, numbers, numbers, st.integers(1, LARGEST)
)
few = st.builds(
    Event, st.integers(1, 12).map(lambda number: str(uuid.UUID(int=number))), st.sampled_from(["incoming", "sale"]),
    st.just(datetime(2024, 1, 1)), st.integers(0, 1), st.integers(0, 1), st.sampled_from([1, 2, 5, LARGEST]),
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda below: st.lists(below, max_size=3)
)
hostile = st.sampled_from(
    ["", " ", "-1", "+1", "1.5", "1e3", "0", "00", "٣", "1_000", str(LARGEST), str(LARGEST + 1), "9" * 5000, "NaN",
     "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00",
     "2024-01-01T00:00:00", "2024-01-01", "2016-12-31T23:59:60Z", "2024-01-01t00:00:00.5z", "\ud800", "\0", "incoming "]
)  # fmt: skip


def texts(event: Event) -> dict[str, str]:
    """The fields of an event as CSV has them."""
    values = event[0].upper(), event[1], f"{event[2].isoformat()}Z", *map(str, event[3:])
    return dict(zip(COLUMNS, values, strict=True))


@given(events)
def test_a_valid_event_is_read_as_it_is(event: Event) -> None:
    assert event_of(texts(event)) == event
    assert parse_message(json_of(event)) == event
    assert parse_message(json_of(event).replace(b"{", b"{ ")) == event
    as_numbers = {**texts(event), "store_number": event.store, "item_number": event.item, "value": event.value}
    assert parse_message(json.dumps({**as_numbers, "more": [1]}).encode()) == event


@given(st.tuples(*([hostile | st.sampled_from(["5", "0", "sale", "2024-01-01T00:00:00Z", str(uuid.UUID(int=7))])] * 6)))
def test_our_own_form_of_a_message_is_read_like_any_other(values: tuple[str, ...]) -> None:
    """The short way through a regular expression equals the long one through a parser of JSON."""
    message = (
        "{" + ", ".join(f'"{name}": {json.dumps(value)}' for name, value in zip(COLUMNS, values, strict=True)) + "}"
    )
    assert parse_message(message.encode()) == event_of(dict(zip(COLUMNS, values, strict=True)))


@given(events, st.dictionaries(st.sampled_from(COLUMNS), anything | hostile, min_size=1))
def test_every_wrong_field_has_a_reason(event: Event, changes: dict[str, Any]) -> None:
    found = event_of({**texts(event), **changes})
    wrong = [name for name in changes if not isinstance(event_of({**texts(event), name: changes[name]}), Event)]
    if not wrong:
        assert isinstance(found, Event)
        return
    assert not isinstance(found, Event)
    assert sorted(reason.split(" ")[0] for reason in found) == sorted(wrong)
    assert all(reason.isascii() and reason.isprintable() and len(reason) < 300 for reason in found)


@given(st.sets(st.sampled_from(COLUMNS), min_size=1), events)
def test_every_missing_field_has_a_reason(missing: set[str], event: Event) -> None:
    left = {name: value for name, value in texts(event).items() if name not in missing}
    assert event_of(left) == tuple(f"{name} is missing" for name in COLUMNS if name in missing)


@given(anything | hostile)
def test_whole_numbers(value: Any) -> None:
    number = whole(value, 1)
    if number is not None:
        assert 1 <= number <= LARGEST
        assert int(value) == number
        assert not isinstance(value, bool)


@given(times, st.integers(-23 * 60 - 59, 23 * 60 + 59), st.sampled_from("Tt "))
def test_a_time_is_the_same_moment_in_every_zone(moment: datetime, minutes: int, separator: str) -> None:
    zone = timezone(timedelta(minutes=minutes))
    shown = moment.replace(tzinfo=UTC).astimezone(zone).isoformat(separator)
    assert time_of(shown) == moment


def test_leap_seconds_and_fractions() -> None:
    assert time_of("2016-12-31T23:59:60Z") == datetime(2017, 1, 1)
    assert time_of("2016-12-31T23:59:60.9Z") == datetime(2017, 1, 1)
    assert time_of("2024-01-01T00:00:00.123456789Z") == datetime(2024, 1, 1, 0, 0, 0, 123456)
    assert time_of("2017-01-01T00:59:60+01:00") == datetime(2017, 1, 1)
    assert time_of("2024-01-01T10:15:60Z") is None
    assert time_of("9999-12-31T23:59:60Z") is None
    assert time_of("2024-01-01T00:00:00+24:00") is None
    assert time_of("2024-01-01T00:00:00+0100") is None


@given(st.binary(max_size=200) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")) | st.none())
def test_any_message_is_an_event_or_has_reasons(value: bytes | None) -> None:
    found = parse_message(value)
    assert isinstance(found, Event) or (found and all(isinstance(reason, str) for reason in found))


@given(st.lists(st.tuples(st.text(), st.binary() | st.none() | st.text())) | st.none())
def test_any_headers_are_read(headers: Any) -> None:
    assert isinstance(parse_headers(headers), Headers)


def test_numbers_of_headers_are_bounded() -> None:
    headers = [("attempt", b"9" * 60), ("not-before", b"-5"), ("lurge-line", "²".encode()), ("lurge-token", b"x" * 32)]
    assert parse_headers(headers) == Headers()
    assert parse_headers([("lurge-token", b"a\0" * 16), ("lurge-file", b"a" * 32), ("lurge-line", b"1")]) == Headers()
    token = "0f" * 16
    own = [("lurge-token", token.encode()), ("attempt", b"2"), ("not-before", b"1500"), ("lurge-file", b"b" * 32)]
    assert parse_headers([*own, ("lurge-line", b"7")]) == Headers("b" * 32, 7, 2, 1.5, token)


def test_messages_that_are_not_objects() -> None:
    deep = b"[" * 100_000
    for value in (deep, b"[]", b"1" * 5000, b"\xff", b"\xef\xbb\xbf{}", b'{"a": ' + b"9" * 5000 + b"}", b"NaN"):
        assert not isinstance(parse_message(value), Event)


lines = st.lists(
    st.binary(max_size=60).map(lambda text: text.replace(b"\n", b" "))
    | events.map(lambda event: ",".join(texts(event).values()).encode())
    | st.just(b'"'),
    max_size=30,
)


@given(lines, st.booleans(), st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_reading_goes_on_at_any_line(rows: list[bytes], has_end: bool, end: bytes, data: st.DataObject) -> None:
    text = end.join([HEADER, *rows]) + (end if has_end else b"")
    file = io.BytesIO(text)
    names = read_header(file)
    found = list(read_lines(file, names, 2))
    assert [(line.number, line.input) for line in found] == [
        (number, row.rstrip(b"\r")) for number, row in enumerate(rows, 2) if row.rstrip(b"\r")
    ]
    if found:
        assert max(line.end for line in found) <= len(text)
        place = data.draw(st.integers(0, len(found) - 1))
        file.seek(found[place].end)
        assert list(read_lines(file, names, found[place].number + 1)) == found[place + 1 :]


@given(st.binary())
def test_any_file_is_read_or_refused(text: bytes) -> None:
    file = io.BytesIO(text)
    try:
        names = read_header(file)
    except LedgerError:
        return
    list(read_lines(file, names, 2))


def test_columns_in_any_order_quotes_and_long_lines() -> None:
    event = Event(str(uuid.UUID(int=5)), "sale", datetime(2024, 1, 1), 1, 2, 3)
    named = texts(event)
    order = ["extra", *reversed(COLUMNS)]
    row = ",".join(f'"{named.get(name, "x")}"' for name in order)
    long = b"x" * (3 * LONGEST_LINE)
    text = b"\xef\xbb\xbf" + ",".join(order).encode() + b"\r\n" + row.encode() + b"\n" + long + b"\n" + row.encode()
    file = io.BytesIO(text)
    found = list(read_lines(file, read_header(file), 2))
    assert [line.event for line in found] == [event, (f"the line is longer than {LONGEST_LINE} bytes",), event]
    assert found[1].input == long
    assert found[2].end == len(text)


def plain(history: list[Event]) -> tuple[dict[str, Event], dict[tuple[int, int], int]]:
    """What events come to, one after another, in the plainest way."""
    journal: dict[str, Event] = {}
    for event in history:
        if event.transaction_id in journal:
            continue
        signs = {"incoming": 1, "sale": -1}
        of_item = [one for one in journal.values() if one[3:5] == event[3:5]]
        amount = sum(signs[one.event_type] * one.value for one in of_item)
        after = amount + signs[event.event_type] * event.value
        if (of_item or event.event_type == "incoming") and 0 <= after <= LARGEST:
            journal[event.transaction_id] = event
    sums: dict[tuple[int, int], int] = {}
    for event in journal.values():
        sign = 1 if event.event_type == "incoming" else -1
        sums[event[3:5]] = sums.get(event[3:5], 0) + sign * event.value
    return journal, sums


@given(st.lists(few, max_size=40))
def test_what_becomes_of_events(history: list[Event]) -> None:
    known = Amounts()
    for event in history:
        before = dict(known.amounts)
        had = known.journal.get(event.transaction_id)
        fate = known.decide(event)
        assert all(0 <= amount <= LARGEST for amount in known.amounts.values())
        if fate is not Fate.APPLIED:
            assert known.amounts == before
        if had is not None:
            assert fate is (Fate.DUPLICATE if had == event else ErrorKind.CONFLICT)
        if isinstance(fate, ErrorKind):
            assert known.reason(event, fate)
    journal, sums = plain(history)
    assert known.journal == journal
    assert known.amounts == sums
    assert known.changed() == sums
