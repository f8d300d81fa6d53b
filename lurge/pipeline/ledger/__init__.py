"""The ledger: events from files to topics, and from topics to amounts."""
