"""The area of toys."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from lurge.store.database.area import Area

metadata = sa.MetaData()
toys = sa.Table("toy", metadata, sa.Column("toy_id", sa.Integer, primary_key=True), sa.Column("size", sa.BigInteger))
TOYS = Area.named("toy", metadata, Path(__file__).parent / "migrations")
