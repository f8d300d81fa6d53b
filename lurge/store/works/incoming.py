"""The temporary tables in which observations are collected before they are stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lurge.model.works import LONGEST_NAME
from lurge.store.works.schema import OURS

KEYS = ("idtree", "host_id", "project_id", "state_id", "publish_id")


def shared_columns() -> list[sa.Column[Any]]:
    """The columns that many observations share."""
    return [
        *(sa.Column(name, sa.BigInteger) for name in KEYS),
        sa.Column("day", sa.BigInteger, nullable=False),
        sa.Column("obs_date", sa.Date, nullable=False),
        sa.Column("create_date", sa.Date),
    ]


shared = sa.Table(
    "works_shared",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    *shared_columns(),
    prefixes=["TEMPORARY"],
)
"""Where and when observations were made: once for many of them."""


def incoming_table(collation: str | None = None) -> sa.Table:
    """Make the table of observations in the order in which they came.

    Works are there by their names: there may be millions. collation: that of these names.
    """
    return sa.Table(
        "works_incoming",
        sa.MetaData(),
        sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("shared_id", sa.BigInteger, nullable=False),
        sa.Column("work", sa.String(LONGEST_NAME, collation=collation), nullable=False),
        sa.Column("image_count", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in OURS),
        prefixes=["TEMPORARY"],
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )


incoming = incoming_table()

resolved = sa.Table(
    "works_resolved",
    sa.MetaData(),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    *shared_columns(),
    sa.Column("work_id", sa.BigInteger),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger) for name in OURS),
    sa.Column("is_new", sa.Integer, nullable=False),
    prefixes=["TEMPORARY"],
)  # fmt: skip
"""The last line of each work, tree and date; whether the date is new for the work."""

chosen_lines = sa.Table(
    "works_chosen",
    sa.MetaData(),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first", sa.Date),
    sa.Column("new_dates", sa.BigInteger),
    prefixes=["TEMPORARY"],
)
"""Lines of one of the other tables. MySQL does not join a temporary table with itself."""

LINE_BITS = 36
"""Bits of the number of a line, in a number that begins with the day."""
