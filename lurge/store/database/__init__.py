"""Databases: connections, dialects, bulk inserts, locks and upgrades."""

from lurge.store.database.engine import Database

__all__ = ["Database"]
