"""The tables of the usage area. Existing viewers read them, so names and units are fixed; see docs/formats.md."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from lurge.store.database.area import NAMES_OF_CONSTRAINTS, OPTIONS, BigId
from lurge.store.database.named_lock import holder_table


def is_capped() -> sa.Column[bool]:
    """Make the column that marks a row whose size is larger than the database can store. The maximum is stored."""
    return sa.Column("capped", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false())


Days = sa.Integer().with_variant(sa.BigInteger, "sqlite")
"""A number of days. Viewers compare a server's BIGINT wrongly; SQLite has only one integer type."""

Path = sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")
"""A path: at most as many bytes as a line of a dump, each of which may be shown as four characters."""


metadata = sa.MetaData(naming_convention=NAMES_OF_CONSTRAINTS)


def lookup_table(table: str, prefix: str, name: str | None = None, length: int = 255) -> sa.Table:
    """Make a table of unique names."""
    return sa.Table(
        table,
        metadata,
        sa.Column(f"{prefix}_id", BigId, primary_key=True),
        sa.Column(name or f"{prefix}_name", sa.String(length), nullable=False, unique=True),
        **OPTIONS,
    )


pi = lookup_table("pi", "pi")
unix_group = lookup_table("unix_group", "group")
user = lookup_table("user", "user")
volume = lookup_table("volume", "volume", "scratch_disk")
filetype = lookup_table("filetype", "filetype")
vault_actions = lookup_table("vault_actions", "vault_action", "action_name")
warning = lookup_table("warning", "warning", "warning")


def reference(name: str, column: sa.Column[int], nullable: bool = True, index: bool = False) -> sa.Column[int]:
    """Make a column that refers to a key."""
    return sa.Column(name, BigId, sa.ForeignKey(column), nullable=nullable, index=index)


base_directory = sa.Table(
    "base_directory",
    metadata,
    sa.Column("base_directory_id", BigId, primary_key=True),
    sa.Column("directory_path", Path, nullable=False),
    reference("volume_id", volume.c.volume_id, nullable=False, index=True),
    # A text cannot be unique on MySQL. There a hash of the path is, which the server computes.
    sa.UniqueConstraint("directory_path", "volume_id").ddl_if(dialect="sqlite"),
    **OPTIONS,
)

# Columns may be NULL, because rows of the older tool have NULL for unknown values.

lustre_usage = sa.Table(
    "lustre_usage",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("used", sa.BigInteger),
    sa.Column("quota", sa.BigInteger),
    sa.Column("record_date", sa.Date),
    sa.Column("last_modified", Days),
    reference("pi_id", pi.c.pi_id),
    reference("unix_id", unix_group.c.group_id),
    reference("warning_id", warning.c.warning_id),
    reference("base_directory_id", base_directory.c.base_directory_id),
    sa.Column("expected_in_3_days", sa.BigInteger),
    sa.Column("expected_in_7_days", sa.BigInteger),
    sa.Column("quota_reached", sa.Date),
    sa.Column("quota_backfilled", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false()),
    is_capped(),
    sa.Index(None, "base_directory_id", "record_date"),
    sa.Index(None, "unix_id", "base_directory_id", "record_date"),
    sa.Index("ix_lustre_usage_history", "unix_id", "base_directory_id", "record_date", "used", "quota"),
    sa.Index(None, "record_date"),
    **OPTIONS,
)

directory = sa.Table(
    "directory",
    metadata,
    sa.Column("directory_id", BigId, primary_key=True),
    sa.Column("directory_path", Path),
    sa.Column("num_files", sa.BigInteger),
    sa.Column("size", sa.Double),
    sa.Column("last_modified", Days),
    reference("pi_id", pi.c.pi_id),
    reference("group_id", unix_group.c.group_id),
    reference("base_directory_id", base_directory.c.base_directory_id),
    sa.Column("size_bytes", sa.BigInteger),
    is_capped(),
    sa.Index(None, "base_directory_id", "group_id"),
    **OPTIONS,
)

file_size = sa.Table(
    "file_size",
    metadata,
    sa.Column("file_size_id", BigId, primary_key=True),
    reference("directory_id", directory.c.directory_id, index=True),
    reference("filetype_id", filetype.c.filetype_id),
    sa.Column("size", sa.Double),
    sa.Column("size_bytes", sa.BigInteger),
    **OPTIONS,
)

user_usage = sa.Table(
    "user_usage",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("record_date", sa.Date),
    reference("user_id", user.c.user_id, index=True),
    reference("group_id", unix_group.c.group_id),
    reference("volume_id", volume.c.volume_id),
    sa.Column("size", sa.BigInteger),
    sa.Column("last_modified", sa.Date),
    sa.Column("num_files", sa.BigInteger),
    is_capped(),
    sa.Index(None, "volume_id", "record_date"),
    sa.Index(None, "record_date"),
    **OPTIONS,
)

vault = sa.Table(
    "vault",
    metadata,
    sa.Column("record_id", BigId, primary_key=True),
    sa.Column("record_date", sa.Date),
    sa.Column("filepath", Path),
    reference("group_id", unix_group.c.group_id),
    reference("vault_action_id", vault_actions.c.vault_action_id),
    sa.Column("size", sa.BigInteger),
    reference("user_id", user.c.user_id),
    sa.Column("last_modified", sa.Date),
    reference("volume_id", volume.c.volume_id),
    sa.Index(None, "volume_id", "record_date"),
    sa.Index(None, "record_date"),
    **OPTIONS,
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
    is_capped(),
    sa.Column("dump_modified", sa.BigInteger),
    sa.Column("directories", sa.BigInteger),
    **OPTIONS,
)

unattributed_usage = sa.Table(
    "unattributed_usage",
    metadata,
    sa.Column("volume_id", BigId, sa.ForeignKey(volume.c.volume_id), primary_key=True, autoincrement=False),
    sa.Column("record_date", sa.Date, primary_key=True),
    sa.Column(
        "group_id", BigId, sa.ForeignKey(unix_group.c.group_id), primary_key=True, autoincrement=False, index=True
    ),
    sa.Column("used", sa.BigInteger, nullable=False),
    sa.Column("num_records", sa.BigInteger, nullable=False),
    is_capped(),
    **OPTIONS,
)

directory_totals = sa.Table(
    "directory_totals",
    metadata,
    sa.Column("total_id", BigId, primary_key=True),
    reference("volume_id", volume.c.volume_id, nullable=False),
    sa.Column("record_date", sa.Date, nullable=False),
    reference("group_id", unix_group.c.group_id, nullable=False, index=True),
    reference("filetype_id", filetype.c.filetype_id),
    sa.Column("age", sa.SmallInteger),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("num_directories", sa.BigInteger, nullable=False),
    sa.Index(None, "volume_id", "record_date"),
    **OPTIONS,
)
"""The sums of the rows of `directory` and `file_size` of a volume's newest date, by group and either filetype or age.

A sum that is larger than a database holds has several rows.
"""

unfinished_swap = sa.Table(
    "unfinished_swap",
    metadata,
    sa.Column("volume_id", BigId, sa.ForeignKey(volume.c.volume_id), primary_key=True, autoincrement=False),
    sa.Column("record_date", sa.Date, nullable=False),
    sa.Column("is_whole", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("directories", sa.Boolean(create_constraint=False), nullable=False),
    sa.Column("details", Path, nullable=False),
    **OPTIONS,
)
"""The progress of a swap in steps."""

job_lock = holder_table(metadata)
"""The holder of each area's lock. It stays empty on SQLite, where a lock is a file."""
