"""Sending the messages of the outbox."""

from __future__ import annotations

import logging
from datetime import UTC

from lurge.errors import StoreUnavailable
from lurge.pipeline.ledger.broker import Sender, Unsent
from lurge.source.events.messages import parse_headers, retry_headers
from lurge.store.database import Database
from lurge.store.ledger import outbox
from lurge.store.ledger.batch import ERROR

AT_ONCE = 1000
LONGEST_SECONDS = 5.0
"""Time in which the broker must take them. Meanwhile their rows are locked."""

log = logging.getLogger(__name__)


def relay(database: Database, sender: Sender) -> int:
    """Send some messages of the outbox, and note that; returns their number.

    If the process dies in between, they are sent twice. Whoever reads them knows copies by their tokens.

    Raises StoreError, LedgerError, Stopped.
    """
    with database.writing() as connection:
        rows = outbox.unsent(connection, AT_ONCE)
        if not rows:
            return 0
        try:
            for row in rows:
                not_before = row.not_before.replace(tzinfo=UTC).timestamp()
                sender.put(row.topic, row.message_key, row.value, retry_headers(row.attempt, not_before, row.token))
            refused = sender.flush(LONGEST_SECONDS)
        except Unsent as error:
            raise StoreUnavailable(f"messages wait to be sent: {error}") from error
        tokens = set()
        for reason, message in refused:
            log.error("%s refused a message: %s", message.topic(), reason.str())
            tokens.add(parse_headers(message.headers()).token)
        # Others can read an error in the table. An event that is refused stays here.
        outbox.note_sent(connection, [row for row in rows if row.kind == ERROR or row.token not in tokens])
    return len(rows)


def relay_all(database: Database, sender: Sender) -> None:
    """Send all messages of the outbox. Raises as `relay` does."""
    while relay(database, sender) == AT_ONCE:
        pass
