"""How rows are swapped: in one transaction or in steps, with tags before the paths of old directories."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.store.database.dialect import dialect_of
from lurge.store.database.engine import Database
from lurge.store.database.exact import Exact
from lurge.store.usage import schema

OLD = ".hgi.old."
"""What the rows are tagged with that are about to be replaced."""

TAGGED = Exact(sa.func.substr(schema.directory.c.directory_path, 1, len(OLD))) == Exact(sa.literal(OLD))
"""By its bytes: text may compare without case."""

NUMBERED = (schema.directory, schema.lustre_usage, schema.user_usage, schema.vault)
"""The tables of which the new rows are those from a key on."""

SWAPPED = (*NUMBERED, schema.file_size, schema.unattributed_usage, schema.volume_summary)


def takes_steps(database: Database, connection: sa.Connection) -> str | None:
    """Why the rows of a database are swapped in steps; None where a transaction swaps them."""
    if database.swap == "tagged":
        return "database.swap is tagged"
    tables = dialect_of(connection).without_transactions(connection, [table.name for table in SWAPPED])
    return f"tables without transactions: {', '.join(tables)}" if tables else None
