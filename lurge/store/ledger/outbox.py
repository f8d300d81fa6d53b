"""The outbox: messages that a transaction wants to be sent, and the events that wait in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lurge.store.ledger import schema
from lurge.store.ledger.clock import now

ERROR, RETRY, REPLAY = "error", "retry", "replay"
"""Kinds of messages."""

KEPT = timedelta(days=7)
"""Time for which rows that are done are kept, so that a copy of their message is recognised."""

LONGEST_READING = timedelta(hours=1)
"""Time after which a file that is not read to its end was given up by whoever read it."""

OVERDUE = timedelta(minutes=10)
"""Time after which an event that was sent, and did not come back, is sent again: its topic may have been lost."""


def unsent(connection: sa.Connection, most: int) -> Sequence[sa.Row[Any]]:
    """Return messages to send, the oldest first. Until the end of the transaction, no other process gets them."""
    table = schema.outbox
    is_unsent = table.c.sent_at.is_(None) & table.c.done_at.is_(None)
    query = sa.select(table).where(is_unsent).order_by(table.c.id).limit(most)
    return connection.execute(query.with_for_update(skip_locked=True)).all()


def note_sent(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> None:
    """Note that messages were sent, or refused. Those of errors leave the outbox."""
    table = schema.outbox
    errors = [row.id for row in rows if row.kind == ERROR]
    others = [row.id for row in rows if row.kind != ERROR]
    if errors:
        connection.execute(sa.delete(table).where(table.c.id.in_(errors)))
    if others:
        connection.execute(sa.update(table).where(table.c.id.in_(others)).values(sent_at=now()))


def tidy(connection: sa.Connection) -> int:
    """Forget rows that are done for long, and have overdue events sent again; returns the number of these."""
    table = schema.outbox
    connection.execute(sa.delete(table).where(table.c.done_at < now() - KEPT))
    before = now() - OVERDUE
    is_overdue = table.c.done_at.is_(None) & (table.c.sent_at < before) & (table.c.not_before < before)
    return connection.execute(sa.update(table).where(is_overdue, table.c.kind != ERROR).values(sent_at=None)).rowcount


def waiting(connection: sa.Connection, most: int) -> Sequence[sa.Row[Any]]:
    """Return events that wait without a broker, in the order in which they came.

    Those of a file that another process may be reading are left: their stock may still come.
    """
    table, file = schema.outbox, schema.files.c
    unfinished = table.c.file_id.in_(sa.select(file.id).where(file.done_at.is_(None)))
    is_early = unfinished & (table.c.kind == RETRY) & (table.c.created_at > now() - LONGEST_READING)
    query = sa.select(table).where(table.c.done_at.is_(None), table.c.topic == "", ~is_early).order_by(table.c.id)
    return connection.execute(query.limit(most)).all()
