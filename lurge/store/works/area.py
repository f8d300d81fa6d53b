"""The works area: its tables, migrations and lock."""

from __future__ import annotations

from pathlib import Path

from lurge.store.database.area import Adoption, Area
from lurge.store.works.schema import metadata


def adoption() -> Adoption:
    """Import and return the adoption of the older tool's tables. Code that only reads must not import it: it writes."""
    from lurge.store.works import adopt

    return adopt


WORKS = Area.named("works", metadata, Path(__file__).parent / "migrations", adoption)
