"""Indexes for the pages: the history of a person, and of a group outside base directories.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = {
    "ix_user_usage_user_id": ("user_usage", ["user_id"]),
    "ix_unattributed_usage_group_id": ("unattributed_usage", ["group_id"]),
    "ix_lustre_usage_history": ("lustre_usage", ["unix_id", "base_directory_id", "record_date", "used", "quota"]),
}
"""The last one holds all that the history of a group needs."""


def upgrade() -> None:
    """Make every step repeatable: MySQL cannot roll one back."""
    inspector = sa.inspect(op.get_bind())
    for name, (table, columns) in INDEXES.items():
        if name not in {index["name"] for index in inspector.get_indexes(table)}:
            op.create_index(name, table, columns)
