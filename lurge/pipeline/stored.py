"""Dumps that the database holds already."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from lurge.model.dump import Dump
from lurge.store.database import Database
from lurge.store.usage.read.dates import is_outdated, stored_dates

if TYPE_CHECKING:
    import sqlalchemy as sa

log = logging.getLogger(__name__)


def is_stored(database: Database, dump: Dump) -> bool:
    """True if a dump's date is stored, from this dump or a newer one of that date. Raises StoreError."""

    def look() -> bool:
        with database.reading() as connection:
            return holds(connection, dump)

    return database.retrying(look)


def holds(connection: sa.Connection, dump: Dump) -> bool:
    """`is_stored`, asked once."""
    if dump.record_date not in stored_dates(connection, dump.volume.name):
        return False
    if is_outdated(connection, dump):
        log.info("%s is newer than the stored dump of %s, which it replaces", dump.path, dump.record_date)
        return False
    return True
