"""The positions of partitions: where the database has come to."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from lurge.store.database.dialect import dialect_of
from lurge.store.ledger import schema
from lurge.store.ledger.clock import now


def claim(
    connection: sa.Connection, topic: str, topic_id: str, partitions: Iterable[int]
) -> tuple[dict[int, int], bool]:
    """Return the next offset of each partition, and whether the topic was made anew since. New ones begin at 0.

    topic_id: the broker's id of the topic; empty if it tells none.
    """
    table = schema.positions
    numbers = sorted(set(partitions))
    statement = dialect_of(connection).upsert(table, ["topic", "partition"], lambda new: {})
    connection.execute(
        statement,
        [{"topic": topic, "partition": number, "topic_id": topic_id, "next_offset": 0, "end_offset": 0, "lost": 0,
          "updated_at": now()} for number in numbers],
    )  # fmt: skip
    of_topic = table.c.topic == topic
    rows = connection.execute(
        sa.select(table.c.partition, table.c.next_offset, table.c.topic_id)
        .where(of_topic, table.c.partition.in_(numbers))
        .with_for_update()
    ).all()
    is_new = any(topic_id and row.topic_id and row.topic_id != topic_id for row in rows)
    if topic_id:
        changed = [row.partition for row in rows if row.topic_id != topic_id]
        if changed:
            values = {"topic_id": topic_id} | ({"next_offset": 0, "end_offset": 0} if is_new else {})
            connection.execute(sa.update(table).where(of_topic, table.c.partition.in_(changed)).values(values))
    return {row.partition: 0 if is_new and row.topic_id != topic_id else row.next_offset for row in rows}, is_new


def skip(connection: sa.Connection, topic: str, partition: int, offset: int, after: int) -> int:
    """Move a partition whose message at `offset` is gone, unless somebody else moved it; returns where it is."""
    table = schema.positions
    here = (table.c.topic == topic) & (table.c.partition == partition)
    # Those before the first look were never ours.
    lost = max(0, after - offset) if offset else 0
    values = {"next_offset": after, "lost": table.c.lost + lost}
    connection.execute(sa.update(table).where(here, table.c.next_offset == offset).values(values))
    return int(connection.execute(sa.select(table.c.next_offset).where(here)).scalar_one())
