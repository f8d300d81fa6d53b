"""The rules of a site: how events are retried, and where errors go."""

from __future__ import annotations

from lurge.config.ledger import LedgerConfig
from lurge.source.events.messages import json_of
from lurge.store.ledger.batch import Rules
from lurge.store.ledger.retry import RetryPolicy


def rules_of(config: LedgerConfig) -> Rules:
    """Return the rules that a site configured. Without a broker, nothing is sent."""
    policy = RetryPolicy(config.retries, config.first_pause, config.longest_pause)
    if not config.broker:
        return Rules(policy, json_of)
    return Rules(policy, json_of, config.retries_go_to, config.errors_topic)
