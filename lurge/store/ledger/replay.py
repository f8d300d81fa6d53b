"""Sending events again that ended among the errors."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from lurge.model.event import ErrorKind
from lurge.store.ledger import schema
from lurge.store.ledger.clock import now
from lurge.store.ledger.failures import input_bytes
from lurge.store.ledger.outbox import REPLAY
from lurge.store.ledger.read import ErrorFilter, count

AT_ONCE = 1000


def replay(connection: sa.Connection, wanted: ErrorFilter, topic: str) -> tuple[int, int]:
    """Have errors sent again, once each; returns their number, and that of those which would fail again.

    topic: of events; empty without a broker. What is not a valid event stays an error.
    """
    table, outbox = schema.errors, schema.outbox
    moment = now()
    query = (
        sa.select(table)
        .where(*wanted.conditions(), table.c.replayed_at.is_(None))
        .order_by(table.c.id)
        .with_for_update()
    )
    sent = 0
    while rows := connection.execute(query.where(table.c.message.is_not(None)).limit(AT_ONCE)).all():
        sent += len(rows)
        connection.execute(
            sa.insert(outbox),
            [
                {
                    "token": secrets.token_hex(16), "kind": REPLAY, "topic": topic,
                    "message_key": f"{row.store_number}:{row.item_number}", "value": row.message.encode(),
                    "attempt": 0, "not_before": moment, "input": input_bytes(row.input, row.is_base64),
                    "from_topic": row.topic, "from_partition": row.partition,
                    "from_offset": row.offset, "file_id": row.file_id, "line": row.line, "created_at": moment,
                }
                for row in rows
            ],
        )  # fmt: skip
        numbers = [row.id for row in rows]
        connection.execute(sa.update(table).where(table.c.id.in_(numbers)).values(replayed_at=moment))
    is_invalid = table.c.replayed_at.is_(None) & (table.c.kind == ErrorKind.INVALID.value)
    return sent, count(connection, table, *wanted.conditions(), is_invalid)
