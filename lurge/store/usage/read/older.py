"""The tables of the older tool, and the state of their adoption."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from lurge.store.database.area import has_columns
from lurge.store.usage import schema

ASIDE = "adopted_"
"""The prefix of the names of tables that are set aside during an adoption."""

LOOKUPS = (
    schema.pi, schema.unix_group, schema.user, schema.volume, schema.filetype, schema.vault_actions, schema.warning,
)  # fmt: skip
OTHERS = (
    schema.base_directory, schema.lustre_usage, schema.directory, schema.file_size, schema.user_usage, schema.vault,
)  # fmt: skip
MARKS = {
    "volume": {"volume_id", "scratch_disk"},
    "unix_group": {"group_id", "group_name"},
    "base_directory": {"base_directory_id", "directory_path", "volume_id"},
    "lustre_usage": {"record_id", "used", "quota", "record_date", "unix_id", "base_directory_id"},
}
"""Tables and columns that identify a database of the older tool."""


def recognises(connection: sa.Connection) -> bool:
    """Return whether the older tool made the tables."""
    return has_columns(connection, MARKS)


def begun(tables: Collection[str]) -> bool:
    """Return whether some of `tables` are set aside."""
    return not {ASIDE + table.name for table in (*LOOKUPS, *OTHERS)}.isdisjoint(tables)
