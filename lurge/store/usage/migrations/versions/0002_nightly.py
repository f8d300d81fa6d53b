"""Columns for warnings with forecasts, the table of lock holders, and indexes for viewers.

Revision ID: 0002
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("expected_in_3_days", sa.BigInteger, {}),
    ("expected_in_7_days", sa.BigInteger, {}),
    ("quota_reached", sa.Date, {}),
    ("quota_backfilled", sa.Boolean, {"nullable": False, "server_default": sa.false()}),
)
INDEXES = (
    ("lustre_usage", ["unix_id", "base_directory_id", "record_date"]),
    ("lustre_usage", ["record_date"]),
    ("user_usage", ["record_date"]),
    ("vault", ["record_date"]),
)


def upgrade() -> None:
    """Skip every step that an interrupted upgrade has done: MySQL cannot roll one back."""
    inspector = sa.inspect(op.get_bind())
    columns = {column["name"] for column in inspector.get_columns("lustre_usage")}
    for name, kind, options in COLUMNS:
        if name not in columns:
            op.add_column("lustre_usage", sa.Column(name, kind, **options))
    for table, indexed in INDEXES:
        name = f"ix_{table}_{'_'.join(indexed)}"
        if name not in {index["name"] for index in inspector.get_indexes(table)}:
            op.create_index(name, table, indexed)
    if not inspector.has_table("job_lock"):
        op.create_table(
            "job_lock",
            sa.Column("lock_name", sa.String(64)),
            sa.Column("holder", sa.String(255), nullable=False),
            sa.PrimaryKeyConstraint("lock_name", name="pk_job_lock"),
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",
        )
