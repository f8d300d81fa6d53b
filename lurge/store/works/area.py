"""The works area: its tables, migrations and lock."""

from __future__ import annotations

from pathlib import Path

from lurge.store.database.area import Area
from lurge.store.works.schema import metadata

WORKS = Area.named("works", metadata, Path(__file__).parent / "migrations")
