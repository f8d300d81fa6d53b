"""Swaps in steps, and a collation with which every driver returns paths of base directories as text.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")
ANY_CASE = "utf8mb4_unicode_ci"


def upgrade() -> None:
    """Make every step repeatable: MySQL cannot roll one back."""
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    if "directories" not in {column["name"] for column in inspector.get_columns("volume_summary")}:
        op.add_column("volume_summary", sa.Column("directories", sa.BigInteger))
    if not inspector.has_table("unfinished_swap"):
        op.create_table(
            "unfinished_swap",
            sa.Column(
                "volume_id",
                BigId,
                sa.ForeignKey("volume.volume_id", name="fk_unfinished_swap_volume_id"),
                autoincrement=False,
            ),
            sa.Column("record_date", sa.Date, nullable=False),
            sa.Column("is_whole", sa.Boolean, nullable=False),
            sa.Column("directories", sa.Boolean, nullable=False),
            sa.Column("details", LongText, nullable=False),
            sa.PrimaryKeyConstraint("volume_id", name="pk_unfinished_swap"),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
    if connection.dialect.name == "mysql":
        # Older drivers return a text with a binary collation as bytes. Paths are unique by their hash.
        op.execute(
            "ALTER TABLE base_directory"
            f" MODIFY directory_path MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE {ANY_CASE} NOT NULL"
        )
