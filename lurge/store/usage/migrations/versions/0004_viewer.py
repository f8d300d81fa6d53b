"""Types that viewers of a MySQL server expect: days of 32 bits, and paths that are compared without case.

Also a column for the modification time of a volume's dump.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MAX_DAYS = 2**31 - 1
DAYS = (("lustre_usage", "last_modified"), ("directory", "last_modified"))
SEARCHED = (("directory", "directory_path"), ("vault", "filepath"))
ANY_CASE = "utf8mb4_unicode_ci"


def upgrade() -> None:
    """Make every step repeatable: MySQL cannot roll one back. SQLite has neither of these types.

    PostgreSQL has no case-insensitive collation that supports searching for a part of a text.
    """
    if "dump_modified" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("volume_summary")}:
        op.add_column("volume_summary", sa.Column("dump_modified", sa.BigInteger))
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        return
    for name, column in DAYS:
        table = sa.table(name, sa.column(column))
        days = table.c[column]
        op.execute(sa.update(table).where(days > MAX_DAYS).values({column: MAX_DAYS}))
        op.execute(sa.update(table).where(days < -MAX_DAYS).values({column: -MAX_DAYS}))
        op.alter_column(name, column, type_=sa.Integer(), existing_type=sa.BigInteger(), existing_nullable=True)
    for name, column in SEARCHED if dialect == "mysql" else ():
        op.execute(f"ALTER TABLE {name} MODIFY {column} MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE {ANY_CASE}")
