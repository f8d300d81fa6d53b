"""Batches of events: each is applied in one transaction, and counted once, whatever dies.

The position of each partition is read and written in that transaction. So a message is taken once, also if it is
delivered again, or if two instances believe that they own its partition: the second one finds another position.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lurge.errors import StoreError, StoreUnavailable
from lurge.model.event import LONGEST_INPUT, ErrorKind, Event, Message, Place
from lurge.store.database.bulk import insert_rows
from lurge.store.database.dialect import dialect_of
from lurge.store.ledger import schema
from lurge.store.ledger.decide import Amounts, Fate, Item
from lurge.store.ledger.retry import RetryPolicy

KEYS_AT_ONCE = 500
ERROR, RETRY, REPLAY = "error", "retry", "replay"
LONGEST_SENT = 256 << 10
"""Bytes of an input that a message on the topic of errors repeats. Brokers refuse messages above a megabyte."""

Json = Callable[[Event], bytes]

wanted = sa.Table(
    "lurge_wanted",
    sa.MetaData(),
    sa.Column("transaction_id", schema.Uuid, nullable=False),
    sa.Column("store_number", sa.BigInteger, nullable=False),
    sa.Column("item_number", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DELETE ROWS",
)
"""The ids and items of a batch, on its connection."""


class PositionMoved(Exception):  # noqa: N818  it is no error: the batch is read again from there
    """Somebody else read the partition meanwhile, or the database was restored. offset: where it is now."""

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(f"{topic} [{partition}] is at {offset}")
        self.topic, self.partition, self.offset = topic, partition, offset


@dataclass(frozen=True)
class Rules:
    """How events are retried, and where to.

    topics: of retries and of errors; empty without a broker. to_json: the form of an event in a message.
    """

    policy: RetryPolicy
    to_json: Json
    retry_topic: str = ""
    errors_topic: str = ""


@dataclass(frozen=True)
class Stretch:
    """A part of a partition that a batch takes: it began at `begin`, goes on at `after`, and ends at `end` so far."""

    topic: str
    partition: int
    begin: int
    after: int
    end: int


@dataclass
class Counts:
    """The numbers of messages by their fates. resent: those that were taken before."""

    applied: int = 0
    duplicates: int = 0
    retried: int = 0
    errors: int = 0
    resent: int = 0

    def add(self, other: Counts) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)

    @property
    def total(self) -> int:
        return sum(vars(self).values())


@dataclass
class Tally:
    """The numbers of events of one file that one partition brought."""

    last_line: int = 0
    seen: int = 0
    applied: int = 0
    duplicates: int = 0
    errors: int = 0


@dataclass
class Batch:
    """A batch while it is decided."""

    rules: Rules
    now: datetime
    files: dict[str, tuple[int, str]]
    rows: dict[str, Any]
    tallies: dict[tuple[int, str, int], Tally]
    known: Amounts
    counts: Counts = field(default_factory=Counts)
    journal: list[tuple[object, ...]] = field(default_factory=list)
    errors: list[dict[str, object]] = field(default_factory=list)
    outbox: list[dict[str, object]] = field(default_factory=list)
    changed: dict[str, dict[str, object]] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Decide one message."""
        place, event = message.place, message.event
        row = self.rows.get(message.token) if message.token else None
        if row is not None:
            changed = self.changed.get(message.token)
            if row.done_at is not None or row.attempt != message.attempt or changed:
                # A copy: it was sent twice, because somebody died between sending and noting that.
                self.counts.resent += 1
                return
            place = place._replace(line=row.line)
            file_id = row.file_id
            name = self.names.get(file_id, "")
        else:
            file_id, name = self.files.get(place.file, (0, ""))
        tally = self.tallies.setdefault((file_id, place.topic, place.partition), Tally())
        if row is None:
            if file_id:
                if place.line <= tally.last_line:
                    self.counts.resent += 1
                    return
                tally.last_line = place.line
            tally.seen += 1
        fate = self.known.decide(event) if isinstance(event, Event) else ErrorKind.INVALID
        if fate is Fate.APPLIED and isinstance(event, Event):
            tally.applied += 1
            self.counts.applied += 1
            in_topic = bool(place.topic)
            self.journal.append(
                (*event[:6], self.now, place.topic or None, place.partition if in_topic else None,
                 place.offset if in_topic else None, file_id or None, place.line or None,
                 self.known.amounts[event.store, event.item])
            )  # fmt: skip
        elif fate is Fate.DUPLICATE:
            tally.duplicates += 1
            self.counts.duplicates += 1
        elif fate in RETRYABLE and message.attempt < self.rules.policy.retries:
            self.counts.retried += 1
            self.retry(message, file_id, place)
            return
        else:
            tally.errors += 1
            self.counts.errors += 1
            self.fail(message, fate, file_id, name, place)
        if row is not None:
            self.changed[message.token] = {"done_at": self.now}

    @property
    def names(self) -> dict[int, str]:
        """The names of files by their ids."""
        return dict(self.files.values())

    def retry(self, message: Message, file_id: int, place: Place) -> None:
        """Have an event sent again."""
        attempt = message.attempt + 1
        not_before = self.now + timedelta(seconds=self.rules.policy.pause(attempt))
        values: dict[str, object] = {"attempt": attempt, "not_before": not_before, "sent_at": None, "kind": RETRY,
                                     "topic": self.rules.retry_topic}  # fmt: skip
        if message.token in self.rows:
            self.changed[message.token] = values
            return
        assert isinstance(message.event, Event)
        event = message.event
        self.outbox.append(
            values | {
                "token": secrets.token_hex(16), "message_key": f"{event.store}:{event.item}",
                "value": self.rules.to_json(event), "from_topic": place.topic or None,
                "from_partition": place.partition, "from_offset": place.offset, "file_id": file_id,
                "line": place.line, "created_at": self.now,
            }
        )  # fmt: skip

    def fail(self, message: Message, kind: Fate | ErrorKind, file_id: int, name: str, place: Place) -> None:
        """Note an event that cannot be applied."""
        assert isinstance(kind, ErrorKind)
        event = message.event
        reasons = (self.known.reason(event, kind),) if isinstance(event, Event) else event
        row = error_row(message._replace(place=place), kind, reasons, file_id, name, self.now)
        if isinstance(event, Event):
            row["message"] = self.rules.to_json(event).decode()
        self.errors.append(row)


RETRYABLE = frozenset({ErrorKind.UNKNOWN_ITEM, ErrorKind.BEYOND_AMOUNT, ErrorKind.OVERFLOW})


def apply_messages(
    connection: sa.Connection, messages: Sequence[Message], rules: Rules, stretches: Iterable[Stretch] = ()
) -> Counts:
    """Apply messages in their order, within the transaction. Raises PositionMoved; then nothing may be committed."""
    now = datetime.now(UTC).replace(tzinfo=None)
    advance(connection, stretches, now)
    batch = Batch(
        rules, now, files_of(connection, messages), outbox_rows(connection, messages), {},
        amounts_for(connection, [message.event for message in messages if isinstance(message.event, Event)]),
    )  # fmt: skip
    batch.files |= names_of(connection, {row.file_id for row in batch.rows.values()})
    batch.tallies = tallies_for(connection, batch, messages)
    for message in messages:
        batch.take(message)
    write(connection, batch)
    return batch.counts


def advance(connection: sa.Connection, stretches: Iterable[Stretch], now: datetime) -> None:
    """Move the position of each partition. Raises PositionMoved if it is not where the batch begins."""
    table = schema.positions
    for stretch in sorted(stretches, key=lambda stretch: (stretch.topic, stretch.partition)):
        here = (table.c.topic == stretch.topic) & (table.c.partition == stretch.partition)
        offset = connection.execute(sa.select(table.c.next_offset).where(here).with_for_update()).scalar_one()
        if offset != stretch.begin:
            raise PositionMoved(stretch.topic, stretch.partition, offset)
        connection.execute(
            sa.update(table).where(here).values(next_offset=stretch.after, end_offset=stretch.end, updated_at=now)
        )


def files_of(connection: sa.Connection, messages: Iterable[Message]) -> dict[str, tuple[int, str]]:
    """Return the id and the name of each file that messages come from, by its key."""
    keys = {message.place.file for message in messages if message.place.file}
    row = schema.files.c
    return {
        key: (number, name)
        for chunk in chunks(keys)
        for key, number, name in connection.execute(
            sa.select(row.file_key, row.id, row.name).where(row.file_key.in_(chunk))
        )
    }


def names_of(connection: sa.Connection, ids: Iterable[int]) -> dict[str, tuple[int, str]]:
    """Return the id and the name of files, by their keys."""
    row = schema.files.c
    return {
        key: (number, name)
        for chunk in chunks(ids)
        for key, number, name in connection.execute(sa.select(row.file_key, row.id, row.name).where(row.id.in_(chunk)))
    }


def outbox_rows(connection: sa.Connection, messages: Iterable[Message]) -> dict[str, Any]:
    """Return the rows that messages came from, by their tokens."""
    table = schema.outbox
    return {
        row.token: row
        for chunk in chunks(message.token for message in messages if message.token)
        for row in connection.execute(sa.select(table).where(table.c.token.in_(chunk)).with_for_update())
    }


def chunks(keys: Iterable[Any]) -> Iterable[list[Any]]:
    """Return different keys in order, some at a time."""
    in_order = sorted(set(keys))
    return (in_order[first : first + KEYS_AT_ONCE] for first in range(0, len(in_order), KEYS_AT_ONCE))


def amounts_for(connection: sa.Connection, events: Sequence[Event]) -> Amounts:
    """Return what the journal has of some events, and the amounts of their items, which nobody else can then change."""
    if not events:
        return Amounts()
    connection.execute(sa.schema.CreateTable(wanted, if_not_exists=True))
    connection.execute(sa.delete(wanted))
    insert_rows(
        connection, wanted, ("transaction_id", "store_number", "item_number"),
        ((event.transaction_id, event.store, event.item) for event in events),
    )  # fmt: skip
    row, item = schema.transactions.c, schema.items.c
    journal = connection.execute(
        sa.select(row.transaction_id, row.event, row.timestamp, row.store_number, row.item_number, row.amount)
        .where(row.transaction_id.in_(sa.select(wanted.c.transaction_id)))
    )  # fmt: skip
    its_item = (wanted.c.store_number == item.store_id) & (wanted.c.item_number == item.item_id)
    amounts = connection.execute(
        sa.select(item.store_id, item.item_id, item.amount)
        .where(sa.exists().where(its_item))
        .order_by(item.store_id, item.item_id)
        .with_for_update()
    )
    return Amounts(
        {event[0]: Event(*event) for event in journal},
        {(store, number): amount for store, number, amount in amounts},
    )


def tallies_for(
    connection: sa.Connection, batch: Batch, messages: Iterable[Message]
) -> dict[tuple[int, str, int], Tally]:
    """Return the tallies, so far, of the files and partitions in a batch."""
    table = schema.tallies
    ids = {0, *(number for number, _ in batch.files.values())}
    partitions = {(message.place.topic, message.place.partition) for message in messages}
    return {
        (file_id, topic, partition): Tally(*numbers)
        for chunk in chunks(ids)
        for file_id, topic, partition, *numbers in connection.execute(
            sa.select(table).where(table.c.file_id.in_(chunk), table.c.topic.in_({topic for topic, _ in partitions}))
        )
        if (topic, partition) in partitions
    }


def write(connection: sa.Connection, batch: Batch) -> None:
    """Write everything that a batch changes."""
    amounts = batch.known.changed()
    write_amounts(connection, amounts, {store for store, _ in amounts.keys() - batch.known.before.keys()})
    if batch.journal:
        try:
            insert_rows(connection, schema.transactions, list(schema.transactions.c.keys()), batch.journal)
        except (IntegrityError, StoreError) as error:
            # Another instance has applied one of the events since we looked.
            raise StoreUnavailable(f"an event was applied at the same time: {error}") from error
    for table, rows in ((schema.errors, batch.errors), (schema.outbox, batch.outbox)):
        if rows:
            connection.execute(sa.insert(table), rows)
    if batch.errors and batch.rules.errors_topic:
        connection.execute(sa.insert(schema.outbox), [error_message(row, batch.rules) for row in batch.errors])
    for token, values in batch.changed.items():
        connection.execute(sa.update(schema.outbox).where(schema.outbox.c.token == token).values(values))
    write_tallies(connection, batch.tallies)


def write_amounts(connection: sa.Connection, amounts: dict[Item, int], new_stores: set[int]) -> None:
    """Write the amounts of items, which are made with their stores if they are new."""
    dialect = dialect_of(connection)
    if new_stores:
        statement = dialect.upsert(schema.stores, ["id"], lambda new: {})
        connection.execute(statement, [{"id": store} for store in sorted(new_stores)])
    if amounts:
        statement = dialect.upsert(schema.items, ["store_id", "item_id"], lambda new: {"amount": new.amount})
        rows = [{"store_id": store, "item_id": item, "amount": amount}
                for (store, item), amount in sorted(amounts.items())]  # fmt: skip
        connection.execute(statement, rows)


def write_tallies(connection: sa.Connection, tallies: dict[tuple[int, str, int], Tally]) -> None:
    """Write tallies."""
    table = schema.tallies
    names = list(vars(Tally()))
    statement = dialect_of(connection).upsert(
        table, ["file_id", "topic", "partition"], lambda new: {name: new[name] for name in names}
    )
    rows = [
        {"file_id": file_id, "topic": topic, "partition": partition, **vars(tally)}
        for (file_id, topic, partition), tally in sorted(tallies.items())
    ]
    if rows:
        connection.execute(statement, rows)


def error_row(
    message: Message, kind: ErrorKind, reasons: Sequence[str], file_id: int, name: str, now: datetime
) -> dict[str, object]:
    """Return the row of an event that is not applied."""
    place = message.place
    event = message.event if isinstance(message.event, Event) else None
    text, is_base64 = input_text(message.input[:LONGEST_INPUT])
    in_topic = place.topic != ""
    return {
        "kind": kind.value, "reasons": json.dumps(list(reasons)), "attempt": message.attempt,
        "transaction_id": event.transaction_id if event else None,
        "store_number": event.store if event else None, "item_number": event.item if event else None,
        "topic": place.topic or None, "partition": place.partition if in_topic else None,
        "offset": place.offset if in_topic else None, "file": name or None, "file_id": file_id, "line": place.line,
        "input": text, "is_base64": is_base64, "message": None,
        "created_at": now, "replayed_at": None,
    }  # fmt: skip


def input_text(given: bytes) -> tuple[str, bool]:
    """Return an input as text, and whether it had to be written in base64: it is not UTF-8, or has a NUL."""
    try:
        text = given.decode()
    except UnicodeDecodeError:
        text = "\0"
    return (base64.b64encode(given).decode(), True) if "\0" in text else (text, False)


def error_message(row: dict[str, object], rules: Rules) -> dict[str, object]:
    """Return the row of the outbox that tells others of an error."""
    return {
        "token": secrets.token_hex(16), "kind": ERROR, "topic": rules.errors_topic, "message_key": "",
        "value": error_json(row), "attempt": row["attempt"], "not_before": row["created_at"],
        "from_topic": row["topic"], "from_partition": row["partition"], "from_offset": row["offset"],
        "file_id": row["file_id"], "line": row["line"], "created_at": row["created_at"], "sent_at": None,
    }  # fmt: skip


def error_json(row: dict[str, object]) -> bytes:
    """Return the message of an error: an object with its reasons, its place, and the input as it was."""
    text = str(row["input"])
    shown = text[:LONGEST_SENT]
    names = ("kind", "transaction_id", "attempt", "topic", "partition", "offset", "file", "line")
    fields = {name: row[name] for name in names if row[name] is not None}
    content = {"reasons": json.loads(str(row["reasons"])), **fields,
               "input_base64" if row["is_base64"] else "input": shown}  # fmt: skip
    if len(shown) < len(text):
        content["input_is_cut"] = True
    return json.dumps(content).encode()
