"""The tables. Names, columns and units are those that existing viewers read; docs/formats.md explains them."""

from __future__ import annotations

import sqlalchemy as sa

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A key; SQLite counts up by itself only in a column of exactly INTEGER."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)


def lookup_table(table: str, prefix: str, name: str | None = None, length: int = 255) -> sa.Table:
    """A table of unique names."""
    return sa.Table(
        table,
        metadata,
        sa.Column(f"{prefix}_id", BigId, primary_key=True),
        sa.Column(name or f"{prefix}_name", sa.String(length), nullable=False, unique=True),
    )


pi = lookup_table("pi", "pi")
unix_group = lookup_table("unix_group", "group")
user = lookup_table("user", "user")
volume = lookup_table("volume", "volume", "scratch_disk")
filetype = lookup_table("filetype", "filetype")
vault_actions = lookup_table("vault_actions", "vault_action", "action_name")
warning = lookup_table("warning", "warning", "warning")


def reference(name: str, column: sa.Column[int], nullable: bool = False, index: bool = False) -> sa.Column[int]:
    """A column that refers to a key."""
    return sa.Column(name, BigId, sa.ForeignKey(column), nullable=nullable, index=index)


base_directory = sa.Table(
    "base_directory",
    metadata,
    sa.Column("base_directory_id", BigId, primary_key=True),
    sa.Column("directory_path", sa.Text, nullable=False),
    reference("volume_id", volume.c.volume_id, index=True),
    sa.UniqueConstraint("directory_path", "volume_id"),
)

lustre_usage = sa.Table(
    "lustre_usage",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("quota", sa.BigInteger),
    sa.Column("record_date", sa.Date, nullable=False),
    sa.Column("last_modified", sa.BigInteger, nullable=False),
    reference("pi_id", pi.c.pi_id, nullable=True),
    reference("unix_id", unix_group.c.group_id),
    reference("warning_id", warning.c.warning_id),
    reference("base_directory_id", base_directory.c.base_directory_id),
    sa.Index(None, "base_directory_id", "record_date"),
)

directory = sa.Table(
    "directory",
    metadata,
    sa.Column("directory_id", BigId, primary_key=True),
    sa.Column("directory_path", sa.Text, nullable=False),
    sa.Column("num_files", sa.BigInteger, nullable=False),
    sa.Column("size", sa.Double, nullable=False),
    sa.Column("last_modified", sa.BigInteger, nullable=False),
    reference("pi_id", pi.c.pi_id, nullable=True),
    reference("group_id", unix_group.c.group_id),
    reference("base_directory_id", base_directory.c.base_directory_id),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Index(None, "base_directory_id", "group_id"),
)

file_size = sa.Table(
    "file_size",
    metadata,
    sa.Column("file_size_id", BigId, primary_key=True),
    reference("directory_id", directory.c.directory_id, index=True),
    reference("filetype_id", filetype.c.filetype_id),
    sa.Column("size", sa.Double, nullable=False),
    sa.Column("size_bytes", sa.BigInteger),
)

user_usage = sa.Table(
    "user_usage",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("record_date", sa.Date, nullable=False),
    reference("user_id", user.c.user_id),
    reference("group_id", unix_group.c.group_id),
    reference("volume_id", volume.c.volume_id),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("last_modified", sa.Date, nullable=False),
    sa.Column("num_files", sa.BigInteger),
    sa.Index(None, "volume_id", "record_date"),
)

vault = sa.Table(
    "vault",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("record_date", sa.Date, nullable=False),
    sa.Column("filepath", sa.Text, nullable=False),
    reference("group_id", unix_group.c.group_id),
    reference("vault_action_id", vault_actions.c.vault_action_id),
    sa.Column("size", sa.BigInteger, nullable=False),
    reference("user_id", user.c.user_id),
    sa.Column("last_modified", sa.Date, nullable=False),
    reference("volume_id", volume.c.volume_id),
    sa.Index(None, "volume_id", "record_date"),
)

volume_summary = sa.Table(
    "volume_summary",
    metadata,
    sa.Column("volume_id", BigId, sa.ForeignKey(volume.c.volume_id), primary_key=True, autoincrement=False),
    sa.Column("record_date", sa.Date, primary_key=True),
    *(
        sa.Column(name, sa.BigInteger, nullable=False)
        for name in (
            "records",
            "attributed",
            "unattributed",
            "vanished",
            "rejected",
            "attributed_bytes",
            "unattributed_bytes",
        )
    ),
)

unattributed_usage = sa.Table(
    "unattributed_usage",
    metadata,
    sa.Column("volume_id", BigId, sa.ForeignKey(volume.c.volume_id), primary_key=True, autoincrement=False),
    sa.Column("record_date", sa.Date, primary_key=True),
    sa.Column("group_id", BigId, sa.ForeignKey(unix_group.c.group_id), primary_key=True, autoincrement=False),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("num_records", sa.BigInteger, nullable=False),
)
