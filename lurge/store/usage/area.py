"""The usage area: the tables of the nightly report, which viewers read. An older tool may have made them."""

from __future__ import annotations

from pathlib import Path

from lurge.store.database.area import VERSION_TABLE, Adoption, Area
from lurge.store.usage.schema import metadata


def adoption() -> Adoption:
    """Import and return the adoption of the older tool's tables. Code that only reads must not import it: it writes."""
    from lurge.store.usage import adopt

    return adopt


USAGE = Area(
    name="usage",
    metadata=metadata,
    migrations=Path(__file__).parent / "migrations",
    adoption=adoption,
    # Both are as before other areas existed, so that older versions of lurge see the same lock and version.
    version_table=VERSION_TABLE,
    lock_suffix="",
)
