"""The table of toys."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table("toy", sa.Column("toy_id", sa.Integer, primary_key=True), sa.Column("size", sa.BigInteger))
