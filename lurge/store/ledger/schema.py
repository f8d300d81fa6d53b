"""The tables of the ledger area. The first three have the names of the older program.

Each event that arrives is counted once, in `tallies`, and has one fate: it is in `transactions` or a duplicate of a row
there, it is in `errors`, or it waits in `outbox`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from lurge.store.database.area import NAMES_OF_CONSTRAINTS, OPTIONS, BigId

Uuid = (
    sa.String(36)
    .with_variant(postgresql.UUID(as_uuid=False), "postgresql")
    .with_variant(mysql.CHAR(36, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
)
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
"""A time in UTC, without a time zone."""

LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
LongBytes = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
LONGEST_TOPIC = 249
"""Characters of a topic's name, as Kafka limits it."""

metadata = sa.MetaData(naming_convention=NAMES_OF_CONSTRAINTS | {"ck": "ck_%(table_name)s_%(constraint_name)s"})


def big(name: str, **options: Any) -> sa.Column[int]:
    """A column of whole numbers of 64 bits."""
    return sa.Column(name, sa.BigInteger, **{"nullable": False, **options})


def topic(name: str = "topic", **options: Any) -> sa.Column[str]:
    """A column for a topic's name."""
    return sa.Column(name, sa.String(LONGEST_TOPIC), **options)


stores = sa.Table("stores", metadata, big("id", primary_key=True, autoincrement=False), **OPTIONS)

items = sa.Table(
    "items",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    big("item_id"),
    big("store_id"),
    big("amount"),
    sa.ForeignKeyConstraint(["store_id"], [stores.c.id]),
    sa.UniqueConstraint("store_id", "item_id"),
    sa.CheckConstraint("amount >= 0", name="amount"),
    **OPTIONS,
)

transactions = sa.Table(
    "transactions",
    metadata,
    sa.Column("transaction_id", Uuid, primary_key=True),
    sa.Column("event", sa.String(8), nullable=False),
    sa.Column("timestamp", Moment, nullable=False),
    big("store_number"),
    big("item_number"),
    big("amount"),
    sa.Column("applied_at", Moment, nullable=False),
    topic(),
    big("partition", nullable=True),
    big("offset", nullable=True),
    big("file_id", nullable=True),
    big("line", nullable=True),
    big("balance", comment="The amount of the item after it."),
    sa.Index(None, "store_number", "item_number", "applied_at"),
    **OPTIONS,
)
"""The journal: each event that changed an amount, once. The topic is empty if an event did not come from Kafka."""

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("file_key", sa.String(32), nullable=False, unique=True, comment="Its name in the headers of messages."),
    sa.Column("content", sa.String(64), nullable=False, unique=True, comment="SHA-256."),
    sa.Column("name", sa.Text, nullable=False),
    topic(comment="Where its events were sent; empty if they were applied at once."),
    big("bytes"),
    big("position", comment="Bytes from the beginning that are done."),
    big("line_count", comment="Lines that are done, with the line of names."),
    big("sent", comment="Valid events in them."),
    big("rejected", comment="Lines in them that are not valid."),
    sa.Column("begun_at", Moment, nullable=False),
    sa.Column("done_at", Moment),
    **OPTIONS,
)

positions = sa.Table(
    "positions",
    metadata,
    topic(primary_key=True),
    big("partition", primary_key=True, autoincrement=False),
    sa.Column("topic_id", sa.String(32), nullable=False, comment="A topic that was made anew has another one."),
    big("next_offset"),
    big("end_offset", comment="The end of the partition, as the consumer saw it last."),
    big("lost", comment="Messages that the broker did not have any more."),
    sa.Column("updated_at", Moment, nullable=False),
    **OPTIONS,
)
"""The place that each partition is read from. It changes with what was read, in one transaction."""

tallies = sa.Table(
    "tallies",
    metadata,
    big("file_id", primary_key=True, autoincrement=False, comment="0: events of other programs."),
    topic(primary_key=True),
    big("partition", primary_key=True, autoincrement=False),
    big("last_line"),
    big("seen"),
    big("applied"),
    big("duplicates"),
    big("errors"),
    **OPTIONS,
)
"""The numbers of events of each file that each partition brought, and of their fates."""

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("token", sa.String(32), nullable=False, unique=True, comment="Its name in the headers of messages."),
    sa.Column("kind", sa.String(8), nullable=False, comment="retry, replay or error."),
    topic(nullable=False),
    sa.Column("message_key", sa.String(64), nullable=False),
    sa.Column("value", LongBytes, nullable=False),
    sa.Column("input", LongBytes, comment="The event as it came."),
    big("attempt"),
    sa.Column("not_before", Moment, nullable=False),
    topic("from_topic"),
    big("from_partition", nullable=True),
    big("from_offset", nullable=True),
    big("file_id", comment="0: an event of another program."),
    big("line"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("done_at", Moment),
    sa.Index(None, "sent_at", "id"),
    sa.Index(None, "file_id", "line"),
    **OPTIONS,
)
"""Messages to send. An event that is sent again has its row until it is done: while it has no `done_at`, it waits."""

errors = sa.Table(
    "errors",
    metadata,
    sa.Column("id", BigId, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("reasons", LongText, nullable=False, comment="A list in JSON."),
    sa.Column("transaction_id", sa.String(36)),
    big("store_number", nullable=True),
    big("item_number", nullable=True),
    big("attempt"),
    topic(),
    big("partition", nullable=True),
    big("offset", nullable=True),
    sa.Column("file", sa.Text),
    big("file_id"),
    big("line"),
    sa.Column("input", LongText, nullable=False),
    sa.Column("is_base64", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("message", LongText, comment="The event in JSON, if it is a valid one."),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("replayed_at", Moment),
    sa.Index(None, "store_number", "item_number"),
    sa.Index(None, "file_id", "line"),
    sa.Index(None, "created_at"),
    **OPTIONS,
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("name", sa.String(300), primary_key=True, comment="A rule, and the way in which people are told."),
    big("last_error", comment="The newest error that they were told of."),
    sa.Column("alerted_at", Moment),
    **OPTIONS,
)
"""How far people were told of errors."""
