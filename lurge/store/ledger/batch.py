"""Batches of events: each is applied in one transaction, and counted once, whatever dies.

The position of each partition is read and written in that transaction. So a message is taken once, also if it is
delivered again, or if two instances believe that they own its partition: the second one finds another position.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lurge.errors import StoreError, StoreUnavailable
from lurge.model.event import ErrorKind, Event, Message, Place
from lurge.store.database.bulk import insert_rows
from lurge.store.database.dialect import dialect_of
from lurge.store.ledger import schema
from lurge.store.ledger.clock import now as present
from lurge.store.ledger.decide import Amounts, Fate, Item
from lurge.store.ledger.failures import Source, error_message, error_row
from lurge.store.ledger.outbox import ERROR, RETRY
from lurge.store.ledger.retry import RetryPolicy

KEYS_AT_ONCE = 500

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
        """Add other numbers."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


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
    """A batch while it is decided.

    files: the sources of messages by the keys of files. rows: those of the outbox that messages came from, by token.
    had_line: whether a line of a file is among the errors, or waits.
    """

    rules: Rules
    now: datetime
    files: dict[str, Source]
    rows: dict[str, Any]
    tallies: dict[tuple[int, str, int], Tally]
    known: Amounts
    had_line: Callable[[int, int], bool]
    names: dict[int, str] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    journal: list[tuple[object, ...]] = field(default_factory=list)
    errors: list[dict[str, object]] = field(default_factory=list)
    outbox: list[dict[str, object]] = field(default_factory=list)
    changed: dict[str, dict[str, object]] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Decide one message."""
        row = self.rows.get(message.token) if message.token else None
        place = message.place
        if row is None and message.token and place.topic == self.rules.retry_topic:
            # A retry of another ledger. The event itself is in the topic of events.
            self.counts.resent += 1
            return
        if row is None or row.value != message.input:
            # Only its row tells how often an event was tried.
            row, message = None, message._replace(attempt=0, token="")
            source = self.files.get(place.file, Source())
        elif row.done_at is not None or row.attempt != message.attempt or message.token in self.changed:
            # A copy: it was sent twice, because somebody died between sending and noting that.
            self.counts.resent += 1
            return
        else:
            place = place._replace(line=row.line)
            source = Source(row.file_id, self.names.get(row.file_id, ""))
        tally = self.tallies.setdefault((source.id, place.topic, place.partition), Tally())
        if row is None:
            if source.id and place.line <= tally.last_line and self.had(message, source):
                self.counts.resent += 1
                return
            tally.last_line = max(tally.last_line, place.line if source.id else 0)
            tally.seen += 1
        event = message.event
        fate = self.known.decide(event) if isinstance(event, Event) else ErrorKind.INVALID
        if fate is Fate.APPLIED and isinstance(event, Event):
            tally.applied += 1
            self.counts.applied += 1
            self.note(event, place, source)
        elif fate is Fate.DUPLICATE:
            tally.duplicates += 1
            self.counts.duplicates += 1
        elif isinstance(event, Event) and fate in RETRYABLE and message.attempt < self.rules.policy.retries:
            self.counts.retried += 1
            self.retry(message, event, source, place)
            return
        elif isinstance(fate, ErrorKind):
            tally.errors += 1
            self.counts.errors += 1
            self.fail(message, fate, source, place, row)
        if row is not None:
            self.changed[message.token] = {"done_at": self.now}

    def had(self, message: Message, source: Source) -> bool:
        """Return whether a line of a file has its fate already, or waits."""
        event, line = message.event, message.place.line
        if isinstance(event, Event) and event.transaction_id in self.known.journal:
            return True
        of_batch = any(row["file_id"] == source.id and row["line"] == line for row in (*self.errors, *self.outbox))
        return of_batch or self.had_line(source.id, line)

    def note(self, event: Event, place: Place, source: Source) -> None:
        """Write an event that was applied into the journal."""
        # Each row has a moment of its own, so that the order of an item's changes stays known.
        moment = self.now + timedelta(microseconds=len(self.journal))
        in_topic = bool(place.topic)
        self.journal.append(
            (*event, moment, place.topic or None, place.partition if in_topic else None,
             place.offset if in_topic else None, source.id or None, place.line or None,
             self.known.amounts[event.store, event.item])
        )  # fmt: skip

    def retry(self, message: Message, event: Event, source: Source, place: Place) -> None:
        """Have an event sent again."""
        attempt = message.attempt + 1
        not_before = self.now + timedelta(seconds=self.rules.policy.pause(attempt))
        values: dict[str, object] = {"attempt": attempt, "not_before": not_before, "sent_at": None, "kind": RETRY,
                                     "topic": self.rules.retry_topic}  # fmt: skip
        if message.token in self.rows:
            self.changed[message.token] = values
            return
        self.outbox.append(
            values | {
                "token": secrets.token_hex(16), "message_key": f"{event.store}:{event.item}",
                "value": self.rules.to_json(event), "input": message.input, "from_topic": place.topic or None,
                "from_partition": place.partition, "from_offset": place.offset, "file_id": source.id,
                "line": place.line, "created_at": self.now,
            }
        )  # fmt: skip

    def fail(self, message: Message, kind: ErrorKind, source: Source, place: Place, row: Any) -> None:
        """Note an event that cannot be applied, with its place and its input as they first were."""
        event = message.event
        if row is not None:
            place = Place(row.from_topic or "", row.from_partition or 0, row.from_offset or 0, line=row.line)
            message = message._replace(input=row.input or message.input)
        reasons = (self.known.reason(event, kind),) if isinstance(event, Event) else event
        json_text = self.rules.to_json(event).decode() if isinstance(event, Event) else None
        message = message._replace(place=place)
        self.errors.append(error_row(message, kind, reasons, source, self.now, json_text))


RETRYABLE = frozenset({ErrorKind.UNKNOWN_ITEM, ErrorKind.BEYOND_AMOUNT, ErrorKind.OVERFLOW})


def apply_messages(
    connection: sa.Connection, messages: Sequence[Message], rules: Rules, stretches: Iterable[Stretch] = ()
) -> Counts:
    """Apply messages in their order, within the transaction. Raises PositionMoved; then nothing may be committed."""
    advance(connection, stretches, present())
    row = schema.files.c
    rows = outbox_rows(connection, messages)
    keys = {message.place.file for message in messages if message.place.file}
    known = amounts_for(connection, [message.event for message in messages if isinstance(message.event, Event)])
    # What others may hold is locked by now, so that the time of an error is close to that of its commit.
    files = dict(sources(connection, row.file_key, keys))
    batch = Batch(rules, present(), files, rows, {}, known, partial(had_line, connection))
    of_rows = dict(sources(connection, row.id, {row.file_id for row in rows.values()}))
    batch.names = {source.id: source.name for source in of_rows.values()}
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


def sources(
    connection: sa.Connection, column: sa.ColumnElement[Any], values: Iterable[Any]
) -> Iterator[tuple[str, Source]]:
    """Yield the key and the source of the files that have some values in a column."""
    row = schema.files.c
    for chunk in chunks(values):
        for key, number, name in connection.execute(sa.select(row.file_key, row.id, row.name).where(column.in_(chunk))):
            yield key, Source(number, name)


def had_line(connection: sa.Connection, file_id: int, line: int) -> bool:
    """Return whether a line of a file is among the errors, or waits."""
    return any(
        connection.execute(
            sa.select(table.c.id).where(table.c.file_id == file_id, table.c.line == line).limit(1)
        ).first()
        for table in (schema.errors, schema.outbox)
    )


def outbox_rows(connection: sa.Connection, messages: Iterable[Message]) -> dict[str, Any]:
    """Return the rows that messages came from, by their tokens."""
    table = schema.outbox
    return {
        row.token: row
        for chunk in chunks(message.token for message in messages if message.token)
        for row in connection.execute(
            sa.select(table).where(table.c.token.in_(chunk), table.c.kind != ERROR).with_for_update()
        )
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
    ids = {0, *(source.id for source in batch.files.values()), *batch.names}
    # Only those of this batch are locked: other instances count what other partitions bring.
    partitions = sorted({(message.place.topic, message.place.partition) for message in messages})
    here = sa.tuple_(table.c.topic, table.c.partition).in_(partitions)
    return {
        (file_id, topic, partition): Tally(*numbers)
        for chunk in chunks(ids)
        for file_id, topic, partition, *numbers in connection.execute(
            sa.select(table).where(table.c.file_id.in_(chunk), here).with_for_update()
        )
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
        topic = batch.rules.errors_topic
        connection.execute(sa.insert(schema.outbox), [error_message(row, topic) for row in batch.errors])
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
