"""The errors that people were told of, and those since then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lurge.model.event import ErrorKind
from lurge.store.database.dialect import dialect_of
from lurge.store.ledger import schema
from lurge.store.ledger.clock import now
from lurge.store.ledger.read import ErrorFilter, count_errors

LONGEST_BATCH = timedelta(seconds=10)
"""Time after which a batch is committed, or will never be."""

SOLD_OUT = (ErrorKind.BEYOND_AMOUNT.value, ErrorKind.UNKNOWN_ITEM.value)


def progress(connection: sa.Connection, name: str, span: timedelta) -> tuple[int, datetime | None]:
    """Return the newest error that somebody was told of, and when they were told last.

    name: of a rule and a way of telling. span: how far a new one looks back.
    """
    table = schema.alerts
    row = connection.execute(sa.select(table.c.last_error, table.c.alerted_at).where(table.c.name == name)).first()
    if row is not None:
        return row.last_error, row.alerted_at
    return newest_before(connection, now() - span), None


def newest_error(connection: sa.Connection) -> int:
    """Return the id of the newest error before which no other one can appear any more; 0 if there is none."""
    # Otherwise, a transaction that is still open may have got a smaller id.
    is_certain = dialect_of(connection).has_one_writer
    return newest_before(connection, None if is_certain else now() - LONGEST_BATCH)


def newest_before(connection: sa.Connection, moment: datetime | None) -> int:
    """Return the id of the newest error before a time, or of all; 0 if there is none."""
    row = schema.errors.c
    query = sa.select(sa.func.coalesce(sa.func.max(row.id), 0))
    if moment is not None:
        query = query.where(row.created_at < moment)
    return int(connection.execute(query).scalar_one())


def note(connection: sa.Connection, name: str, last_error: int, alerted_at: datetime | None) -> None:
    """Store how far somebody was told."""
    statement = dialect_of(connection).upsert(
        schema.alerts, ["name"], lambda new: {"last_error": new.last_error, "alerted_at": new.alerted_at}
    )
    connection.execute(statement, [{"name": name, "last_error": last_error, "alerted_at": alerted_at}])


def ran_out(connection: sa.Connection, after: int, until: int) -> list[Any]:
    """Return the items of which more was sold than there is: (store, item, errors, present amount or None)."""
    row, item = schema.errors.c, schema.items.c
    count = sa.func.count().label("errors")
    query = (
        sa.select(row.store_number, row.item_number, count, item.amount)
        .join_from(
            schema.errors, schema.items,
            (item.store_id == row.store_number) & (item.item_id == row.item_number), isouter=True,
        )
        .where(row.id > after, row.id <= until, row.kind.in_(SOLD_OUT))
        .group_by(row.store_number, row.item_number, item.amount)
        .order_by(row.store_number, row.item_number)
    )  # fmt: skip
    return list(connection.execute(query))


def errors_since(connection: sa.Connection, moment: datetime) -> int:
    """Return the number of errors since a time."""
    return count_errors(connection, ErrorFilter(since=moment, is_open=False))
