"""The ways to swap rows: in one transaction, or in steps, which tag the paths of old directories."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.store.database.dialect import dialect_of
from lurge.store.database.engine import Database
from lurge.store.database.exact import Exact
from lurge.store.usage import schema

OLD = ".hgi.old."
"""The tag: a prefix of the paths of directories that will be replaced."""

TAGGED = Exact(sa.func.substr(schema.directory.c.directory_path, 1, len(OLD))) == Exact(sa.literal(OLD))
"""A condition for tagged directories. It compares bytes, because paths may be compared without case."""

NUMBERED = (schema.directory, schema.lustre_usage, schema.user_usage, schema.vault)
"""The tables whose new rows are those from a certain key on."""

SWAPPED = (*NUMBERED, schema.file_size, schema.unattributed_usage, schema.volume_summary, schema.directory_totals)


def takes_steps(database: Database, connection: sa.Connection) -> str | None:
    """Return the reason why rows are swapped in steps; None if they are swapped in one transaction."""
    if database.swap == "tagged":
        return "database.swap is tagged"
    tables = dialect_of(connection).without_transactions(connection, [table.name for table in SWAPPED])
    return f"tables without transactions: {', '.join(tables)}" if tables else None
