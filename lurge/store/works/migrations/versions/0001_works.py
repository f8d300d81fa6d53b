"""The tables and views of works.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lurge.model.works import LONGEST_NAME
from lurge.store.database.dialect import dialect_of
from lurge.store.works.schema import VIEWS, hosts, metadata, projects, works

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection, checkfirst=True)
    collation = dialect_of(connection).byte_collation(connection)
    for table in (hosts, projects, works) if collation else ():
        name = list(table.columns)[1].name
        op.execute(
            f"ALTER TABLE {table.name} MODIFY {name} VARCHAR({LONGEST_NAME}) CHARACTER SET utf8mb4"
            f" COLLATE {collation} NOT NULL"
        )
    for name, query in VIEWS.items():
        connection.execute(sa.text(f"DROP VIEW IF EXISTS {name}"))
        connection.execute(sa.text(f"CREATE VIEW {name} AS {query}"))
