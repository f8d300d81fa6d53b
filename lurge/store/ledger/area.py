"""The ledger area: its tables, migrations and lock."""

from __future__ import annotations

from pathlib import Path

from lurge.store.database.area import Area
from lurge.store.ledger.schema import metadata

LEDGER = Area.named("ledger", metadata, Path(__file__).parent / "migrations")
