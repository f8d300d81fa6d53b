"""The usage area: the tables of the nightly report, which viewers read, maybe of an older tool's database."""

from __future__ import annotations

from pathlib import Path

from lurge.store.database.area import VERSION_TABLE, Adoption, Area
from lurge.store.usage.schema import metadata


def adoption() -> Adoption:
    """What takes over the older tool's tables: it writes, so that what only reads does not load it."""
    from lurge.store.usage import adopt

    return adopt


USAGE = Area(
    name="usage",
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    adoption=adoption,
    # As they were when there was no other area.
    version_table=VERSION_TABLE,
    lock_suffix="",
)
