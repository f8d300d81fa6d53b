"""Databases: connections, what differs between their kinds, bulk inserts, locks, upgrades."""

from lurge.store.database.engine import Database

__all__ = ["Database"]
