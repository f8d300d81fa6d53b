"""Whether the tables of an area exist."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.store.database.area import Area, revisions


def need_tables(connection: sa.Connection, area: Area) -> None:
    """Raise StoreError if an area has no tables yet, or those of another version."""
    tables = set(sa.inspect(connection).get_table_names())
    revision, newest = revisions(connection, area, tables)
    if revision is None:
        raise StoreError(f"the database has no {area.name} yet", "`lurge works gather` or `load` makes the tables.")
    if revision != newest:
        raise StoreError(f"the tables of {area.name} have version {revision} of {newest}", "Gather or load once.")
