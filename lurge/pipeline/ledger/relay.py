"""Sending the messages of the outbox."""

from __future__ import annotations

import logging
from datetime import UTC

from lurge.config.ledger import LedgerConfig
from lurge.errors import StoreUnavailable
from lurge.pipeline.ledger.broker import Sender, TooLarge, Unsent
from lurge.pipeline.ledger.stopping import Stop
from lurge.source.events.messages import retry_headers
from lurge.store.database import Database
from lurge.store.ledger import outbox

AT_ONCE = 1000
LONGEST_SECONDS = 5.0
"""Time in which the broker must take them. Meanwhile their rows are locked."""

log = logging.getLogger(__name__)


def relay_sender(config: LedgerConfig, stop: Stop) -> Sender:
    """Return a producer for the outbox: if a message is refused, the others are sent."""
    return Sender(config, stop, in_order=False, longest=LONGEST_SECONDS)


def relay(database: Database, sender: Sender, config: LedgerConfig) -> int:
    """Send some messages of the outbox, and note that; returns their number.

    If the process dies in between, they are sent twice: whoever reads them knows copies by their tokens. An event that
    the broker refuses is sent again later, an error is not: it is in the table.

    Raises StoreError, LedgerError, Stopped.
    """
    topics = {outbox.ERROR: config.errors_topic, outbox.RETRY: config.retries_go_to, outbox.REPLAY: config.events_topic}
    with database.writing() as connection:
        rows = outbox.unsent(connection, AT_ONCE)
        if not rows:
            return 0
        try:
            for row in rows:
                not_before = row.not_before.replace(tzinfo=UTC).timestamp()
                headers = retry_headers(row.attempt, not_before, row.token)
                try:
                    sender.put(topics[row.kind], row.message_key, row.value, headers)
                except TooLarge as error:
                    log.error("message %d of the outbox: %s", row.id, error)
            refused = sender.flush()
        except Unsent as error:
            raise StoreUnavailable(f"messages wait to be sent: {error}") from error
        for reason, message in refused:
            log.error("%s refused a message: %s", message.topic(), reason.str())
        outbox.note_sent(connection, rows)
    return len(rows)


def relay_all(database: Database, sender: Sender, config: LedgerConfig) -> None:
    """Send all messages of the outbox. Raises as `relay` does."""
    while relay(database, sender, config) == AT_ONCE:
        pass
