"""How far the rules of alerts came, and the errors since then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lurge.model.event import ErrorKind
from lurge.store.database.dialect import dialect_of
from lurge.store.ledger import schema

LONGEST_BATCH = timedelta(seconds=10)
"""Time after which a batch is committed, or will never be."""

RAN_OUT = (ErrorKind.BEYOND_AMOUNT.value, ErrorKind.UNKNOWN_ITEM.value)


def progress(connection: sa.Connection, rule: str) -> tuple[int, datetime | None]:
    """Return the newest error that a rule has looked at, and when it alerted last. A new rule begins now."""
    table = schema.alerts
    row = connection.execute(sa.select(table.c.last_error, table.c.alerted_at).where(table.c.rule == rule)).first()
    if row is None:
        return newest_error(connection), None
    return row.last_error, row.alerted_at


def newest_error(connection: sa.Connection) -> int:
    """Return the id of the newest error before which no other one can appear any more; 0 if there is none."""
    row = schema.errors.c
    query = sa.select(sa.func.coalesce(sa.func.max(row.id), 0))
    if not dialect_of(connection).has_one_writer:
        # A transaction that is still open may have got a smaller id.
        query = query.where(row.created_at < datetime.now(UTC).replace(tzinfo=None) - LONGEST_BATCH)
    return int(connection.execute(query).scalar_one())


def note(connection: sa.Connection, rule: str, last_error: int, alerted_at: datetime | None) -> None:
    """Store how far a rule came."""
    statement = dialect_of(connection).upsert(
        schema.alerts, ["rule"], lambda new: {"last_error": new.last_error, "alerted_at": new.alerted_at}
    )
    connection.execute(statement, [{"rule": rule, "last_error": last_error, "alerted_at": alerted_at}])


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
        .where(row.id > after, row.id <= until, row.kind.in_(RAN_OUT))
        .group_by(row.store_number, row.item_number, item.amount)
        .order_by(row.store_number, row.item_number)
    )  # fmt: skip
    return list(connection.execute(query))


def errors_since(connection: sa.Connection, moment: datetime) -> int:
    """Return the number of errors since a time."""
    row = schema.errors.c
    query = sa.select(sa.func.count()).select_from(schema.errors).where(row.created_at >= moment)
    return int(connection.execute(query).scalar_one())
