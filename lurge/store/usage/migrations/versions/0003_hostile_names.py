"""Names that differ only by a trailing space, and marks for sizes that are larger than the database can store.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAMES = (
    ("pi", "pi_name"),
    ("unix_group", "group_name"),
    ("user", "user_name"),
    ("volume", "scratch_disk"),
    ("filetype", "filetype_name"),
    ("vault_actions", "action_name"),
    ("warning", "warning"),
)
NO_PAD = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
"""Collations of MariaDB, and of MySQL since 8.0.17. They compare all bytes, including trailing spaces."""

MARKED = ("lustre_usage", "directory", "user_usage", "unattributed_usage", "volume_summary")


def upgrade() -> None:
    """Skip every step that an interrupted upgrade has done: MySQL cannot roll one back.

    SQLite and PostgreSQL compare all bytes of a name already.
    """
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    for table in MARKED:
        if "capped" not in {column["name"] for column in inspector.get_columns(table)}:
            op.add_column(table, sa.Column("capped", sa.Boolean, nullable=False, server_default=sa.false()))
    if connection.dialect.name != "mysql":
        return
    known = sa.table("COLLATIONS", sa.column("COLLATION_NAME"), schema="information_schema")
    query = sa.select(known.c.COLLATION_NAME).where(known.c.COLLATION_NAME.in_(NO_PAD))
    collation = connection.execute(query).scalars().first()
    quote = connection.dialect.identifier_preparer.quote
    for table, name in NAMES if collation else ():
        op.execute(
            f"ALTER TABLE {quote(table)} MODIFY {quote(name)}"
            f" VARCHAR(255) CHARACTER SET utf8mb4 COLLATE {collation} NOT NULL"
        )
