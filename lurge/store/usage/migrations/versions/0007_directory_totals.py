"""Sums of directories by group and filetype or age: to sum the rows of a large group took seconds.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLE = "directory_totals"
BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def reference(name: str, column: str, nullable: bool = False) -> sa.Column[int]:
    """Make a column that refers to a key."""
    return sa.Column(name, BigId, sa.ForeignKey(column, name=f"fk_{TABLE}_{name}"), nullable=nullable)


def upgrade() -> None:
    """Make every step repeatable: MySQL cannot roll one back."""
    inspector = sa.inspect(op.get_bind())
    if not inspector.has_table(TABLE):
        op.create_table(
            TABLE,
            sa.Column("total_id", BigId),
            reference("volume_id", "volume.volume_id"),
            sa.Column("record_date", sa.Date, nullable=False),
            reference("group_id", "unix_group.group_id"),
            reference("filetype_id", "filetype.filetype_id", nullable=True),
            sa.Column("age", sa.SmallInteger),
            sa.Column("size", sa.BigInteger, nullable=False),
            sa.Column("num_directories", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("total_id", name=f"pk_{TABLE}"),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
    known = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)}
    for columns in (["volume_id", "record_date"], ["group_id"]):
        name = f"ix_{TABLE}_{'_'.join(columns)}"
        if name not in known:
            op.create_index(name, TABLE, columns)
