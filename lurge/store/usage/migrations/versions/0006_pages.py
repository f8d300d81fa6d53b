"""Indexes for the pages: the history of a person, and of a group outside base directories.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INDEXES = (("user_usage", "user_id"), ("unattributed_usage", "group_id"))


def upgrade() -> None:
    """Make every step repeatable: MySQL cannot roll one back."""
    inspector = sa.inspect(op.get_bind())
    for table, column in INDEXES:
        name = f"ix_{table}_{column}"
        if name not in {index["name"] for index in inspector.get_indexes(table)}:
            op.create_index(name, table, [column])
