"""The tables of the ledger.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from lurge.store.ledger.schema import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=True)
