"""Events that cannot be applied: their rows, and the messages that tell others of them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from lurge.model.event import LONGEST_INPUT, ErrorKind, Event, Message
from lurge.store.ledger.outbox import ERROR

LONGEST_SENT = 256 << 10
"""Bytes of an input, in JSON, that a message on the topic of errors repeats. Brokers refuse more than a megabyte."""

SENT = ("kind", "transaction_id", "attempt", "topic", "partition", "offset", "file", "line")


class Source(NamedTuple):
    """The file that an event came from. id: 0 if it came from another program, whose name is then empty."""

    id: int = 0
    name: str = ""


def error_row(
    message: Message, kind: ErrorKind, reasons: Sequence[str], source: Source, now: datetime, json_text: str | None
) -> dict[str, object]:
    """Return the row of an event that is not applied. json_text: the event in JSON, if it is a valid one."""
    place = message.place
    event = message.event if isinstance(message.event, Event) else None
    text, is_base64 = input_text(message.input[:LONGEST_INPUT])
    in_topic = place.topic != ""
    return {
        "kind": kind.value, "reasons": json.dumps(list(reasons)), "attempt": message.attempt,
        "transaction_id": event.transaction_id if event else None,
        "store_number": event.store if event else None, "item_number": event.item if event else None,
        "topic": place.topic or None, "partition": place.partition if in_topic else None,
        "offset": place.offset if in_topic else None, "file": source.name or None, "file_id": source.id,
        "line": place.line, "input": text, "is_base64": is_base64, "message": json_text, "created_at": now,
        "replayed_at": None,
    }  # fmt: skip


def input_text(given: bytes) -> tuple[str, bool]:
    """Return an input as text, and whether it had to be written in base64: it is not UTF-8, or has a NUL."""
    try:
        text = given.decode()
    except UnicodeDecodeError:
        text = "\0"
    return (base64.b64encode(given).decode(), True) if "\0" in text else (text, False)


def input_bytes(text: str, is_base64: bool) -> bytes:
    """Return an input as it was."""
    return base64.b64decode(text) if is_base64 else text.encode()


def error_message(row: Mapping[str, object], topic: str) -> dict[str, object]:
    """Return the row of the outbox that tells others of an error."""
    return {
        "token": secrets.token_hex(16), "kind": ERROR, "topic": topic, "message_key": "",
        "value": error_json(row), "attempt": row["attempt"], "not_before": row["created_at"],
        "from_topic": row["topic"], "from_partition": row["partition"], "from_offset": row["offset"],
        "file_id": row["file_id"], "line": row["line"], "created_at": row["created_at"], "sent_at": None,
    }  # fmt: skip


def error_json(row: Mapping[str, object]) -> bytes:
    """Return the message of an error: an object with its reasons, its place, and the input as it was."""
    shown = text = str(row["input"])
    # In ASCII, a character may take twelve bytes.
    while len(shown) * 12 > LONGEST_SENT and len(json.dumps(shown)) > LONGEST_SENT:
        shown = shown[: len(shown) // 2]
    fields = {name: row[name] for name in SENT if row[name] is not None and (name != "line" or row[name])}
    content = {"reasons": json.loads(str(row["reasons"])), **fields,
               "input_base64" if row["is_base64"] else "input": shown}  # fmt: skip
    if len(shown) < len(text):
        content["input_is_cut"] = True
    return json.dumps(content).encode()
