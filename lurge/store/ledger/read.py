"""Questions about the ledger: amounts, histories, errors, waiting events, and positions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.store.database import Database
from lurge.store.database.area import revisions
from lurge.store.ledger import schema
from lurge.store.ledger.area import LEDGER
from lurge.store.ledger.outbox import ERROR


class ItemAmount(NamedTuple):
    """The amount of an item."""

    store: int
    item: int
    amount: int


class Change(NamedTuple):
    """A change of an item's amount. amount: after it."""

    transaction_id: str
    event: str
    date: datetime
    value: int
    amount: int
    applied: datetime


@dataclass(frozen=True)
class ItemFilter:
    """A choice of items. below: with a smaller amount."""

    store: int | None = None
    item: int | None = None
    below: int | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions, all of which must hold."""
        row = schema.items.c
        found: list[sa.ColumnElement[bool]] = []
        for column, number in ((row.store_id, self.store), (row.item_id, self.item)):
            if number is not None:
                found.append(column == number)
        if self.below is not None:
            found.append(row.amount < self.below)
        return found


@dataclass(frozen=True)
class ErrorFilter:
    """A choice of errors.

    ids: empty for any, as are texts. transaction_id: in any case. file: its path or its name. until: the largest id.
    is_open: only those that are not replayed.
    """

    ids: tuple[int, ...] = ()
    kind: str | None = None
    store: int | None = None
    item: int | None = None
    transaction_id: str | None = None
    file: str | None = None
    since: datetime | None = None
    until: int | None = None
    is_open: bool = True

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions, all of which must hold."""
        row = schema.errors.c
        found: list[sa.ColumnElement[bool]] = []
        if self.ids:
            found.append(row.id.in_(self.ids))
        if self.kind:
            found.append(row.kind == self.kind)
        if self.transaction_id:
            found.append(row.transaction_id == self.transaction_id.lower())
        if self.file:
            found.append((row.file == self.file) | row.file.endswith(f"/{self.file}", autoescape=True))
        for column, number in ((row.store_number, self.store), (row.item_number, self.item)):
            if number is not None:
                found.append(column == number)
        if self.until is not None:
            found.append(row.id <= self.until)
        if self.since is not None:
            found.append(row.created_at >= self.since)
        if self.is_open:
            found.append(row.replayed_at.is_(None))
        return found


def need_ledger(database: Database) -> None:
    """Raise StoreError if a database has no ledger, or one of another version."""
    if not has_ledger_in(database):
        advice = "`lurge ledger apply`, `import` or `serve` makes it; or correct [ledger.database]."
        raise StoreError(f"{database} has no ledger yet", advice)


def has_ledger_in(database: Database) -> bool:
    """Return whether a database exists, and has a ledger of this version."""
    if not database.dialect.exists():
        return False
    with database.reading() as connection:
        return has_ledger(connection)


def has_ledger(connection: sa.Connection) -> bool:
    """Return whether a database has a ledger of this version."""
    revision, newest = revisions(connection, LEDGER, set(sa.inspect(connection).get_table_names()))
    return revision == newest


def amounts(
    connection: sa.Connection, wanted: ItemFilter, most: int | None = None, start: int = 0, order: str = "store"
) -> list[ItemAmount]:
    """Return the amounts of items. order: store, item or amount, with a minus in front for the largest first."""
    row = schema.items.c
    columns = {"store": row.store_id, "item": row.item_id, "amount": row.amount}
    first = columns.get(order.removeprefix("-"), row.store_id)
    query = (
        sa.select(row.store_id, row.item_id, row.amount)
        .where(*wanted.conditions())
        .order_by(first.desc() if order.startswith("-") else first, row.store_id, row.item_id)
    )
    if most is not None:
        query = query.limit(most).offset(start)
    return [ItemAmount(*amount) for amount in connection.execute(query)]


def count(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    """Return the number of rows of a table for which all conditions hold."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one())


def count_items(connection: sa.Connection, wanted: ItemFilter) -> int:
    """Return the number of items."""
    return count(connection, schema.items, *wanted.conditions())


def history(connection: sa.Connection, store: int, item: int, most: int) -> list[Change]:
    """Return the newest changes of an item, at most `most`, in the order in which they were applied."""
    row = schema.transactions.c
    newest = connection.execute(
        sa.select(row.transaction_id, row.event, row.timestamp, row.amount, row.balance, row.applied_at)
        .where(row.store_number == store, row.item_number == item)
        .order_by(row.applied_at.desc(), row.topic.desc(), row.offset.desc(), row.file_id.desc(), row.line.desc())
        .limit(most)
    ).all()
    return [Change(*change) for change in newest[::-1]]


ERROR_ORDER = {
    "id": "id", "created": "created_at", "kind": "kind", "store": "store_number", "item": "item_number",
    "reasons": "reasons", "place": "file", "transaction": "transaction_id", "input": "input",
}  # fmt: skip
"""Columns by which errors can be ordered."""


def errors(
    connection: sa.Connection, wanted: ErrorFilter, most: int | None = None, start: int = 0, order: str = "-id"
) -> list[dict[str, Any]]:
    """Return errors with their reasons as a list. order: of ERROR_ORDER; with a minus in front, the largest first."""
    table = schema.errors
    first = table.c[ERROR_ORDER.get(order.removeprefix("-"), "id")]
    is_descending = order.startswith("-") or order.removeprefix("-") not in ERROR_ORDER
    query = sa.select(table).where(*wanted.conditions()).order_by(first.desc() if is_descending else first, table.c.id)
    if most is not None:
        query = query.limit(most).offset(start)
    return [{**row._mapping, "reasons": json.loads(row.reasons)} for row in connection.execute(query)]


def count_errors(connection: sa.Connection, wanted: ErrorFilter) -> int:
    """Return the number of errors."""
    return count(connection, schema.errors, *wanted.conditions())


def newest_error(connection: sa.Connection, wanted: ErrorFilter) -> int | None:
    """Return the largest id of some errors; None if there is none."""
    query = sa.select(sa.func.max(schema.errors.c.id)).where(*wanted.conditions())
    return connection.execute(query).scalar()


def count_replayable(connection: sa.Connection, wanted: ErrorFilter) -> int:
    """Return the number of errors that can be sent again: valid events that were not."""
    row = schema.errors.c
    return count(connection, schema.errors, *wanted.conditions(), row.replayed_at.is_(None), row.message.is_not(None))


def error_kinds(connection: sa.Connection) -> list[str]:
    """Return the kinds of errors that there are."""
    row = schema.errors.c
    return list(connection.execute(sa.select(row.kind).distinct().order_by(row.kind)).scalars())


def count_applied(connection: sa.Connection) -> int:
    """Return the number of events that were applied."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.sum(schema.tallies.c.applied), 0))).scalar_one())


def count_waiting(connection: sa.Connection) -> int:
    """Return the number of events that wait to be tried again."""
    row = schema.outbox.c
    return count(connection, schema.outbox, row.done_at.is_(None), row.kind != ERROR)


def positions(connection: sa.Connection) -> list[Any]:
    """Return where each partition is read, and the lag."""
    row = schema.positions.c
    lag = sa.case((row.end_offset > row.next_offset, row.end_offset - row.next_offset), else_=0).label("lag")
    query = sa.select(row.topic, row.partition, row.next_offset, row.end_offset, lag, row.updated_at)
    return list(connection.execute(query.order_by(row.topic, row.partition)))


def files(connection: sa.Connection, most: int | None = None) -> Sequence[sa.Row[Any]]:
    """Return the files, the newest first."""
    table = schema.files
    return connection.execute(sa.select(table).order_by(table.c.id.desc()).limit(most)).all()
