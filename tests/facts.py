"""What a database says, whatever its keys: every row with names, by volume."""

from __future__ import annotations

import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema

NAMES = {
    schema.pi: "pi_name",
    schema.unix_group: "group_name",
    schema.user: "user_name",
    schema.filetype: "filetype_name",
    schema.vault_actions: "action_name",
    schema.warning: "warning",
    schema.base_directory: "directory_path",
    schema.directory: "directory_path",
}
VOLUME_OF = {
    schema.lustre_usage: [schema.base_directory],
    schema.directory: [schema.base_directory],
    schema.file_size: [schema.directory, schema.base_directory],
}
"""By way of which tables a row belongs to a volume, where it does not say so itself."""

TABLES = (
    schema.lustre_usage, schema.directory, schema.file_size, schema.user_usage, schema.vault, schema.volume_summary,
    schema.unattributed_usage, schema.directory_totals,
)  # fmt: skip


def facts(database: Database) -> dict[str, dict[str, list[str]]]:
    """By volume and table: every row, with names for keys, sorted."""
    found: dict[str, dict[str, list[str]]] = {}
    with database.reading() as connection:
        for table in TABLES:
            source = table
            for other in VOLUME_OF.get(table, []):
                source = source.join(other)
            source = source.join(schema.volume)
            for row in connection.execute(sa.select(schema.volume.c.scratch_disk, *columns(table)).select_from(source)):
                found.setdefault(row[0], {}).setdefault(table.name, []).append(repr(tuple(row[1:])))
    return {name: {table: sorted(rows) for table, rows in tables.items()} for name, tables in found.items()}


def columns(table: sa.Table) -> list[sa.ColumnElement[object]]:
    shown: list[sa.ColumnElement[object]] = []
    for column in table.c:
        if column.name == "dump_modified":
            # When a file was written is no fact of what is in it.
            continue
        if column.primary_key and not column.foreign_keys and column.name != "record_date":
            continue
        target = next((key.column.table for key in column.foreign_keys), None)
        if target is None:
            shown.append(column)
        elif target is not schema.volume:
            names = target.alias()
            (key,) = (names.c[one.name] for one in target.primary_key.columns)
            shown.append(sa.select(names.c[NAMES[target]]).where(key == column).scalar_subquery())
    return shown
