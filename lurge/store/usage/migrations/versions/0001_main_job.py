"""The tables of the main job.

Revision ID: 0001
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from lurge.errors import StoreError

revision = "0001"
down_revision = None

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Path = sa.Text().with_variant(mysql.MEDIUMTEXT, "mysql", "mariadb")
OPTIONS: dict[str, Any] = {f"{dialect}_{key}": value for dialect in ("mysql", "mariadb") for key, value in (
    ("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"),
)}  # fmt: skip

LOOKUPS = (
    ("pi", "pi_id", "pi_name"),
    ("unix_group", "group_id", "group_name"),
    ("user", "user_id", "user_name"),
    ("volume", "volume_id", "scratch_disk"),
    ("filetype", "filetype_id", "filetype_name"),
    ("vault_actions", "vault_action_id", "action_name"),
    ("warning", "warning_id", "warning"),
)

CREATED = (
    *(table for table, *_ in LOOKUPS), "base_directory", "lustre_usage", "directory", "file_size", "user_usage",
    "vault", "volume_summary", "unattributed_usage", "unfinished_swap", "directory_totals",
)  # fmt: skip


def reference(name: str, table: str, column: str, key: str, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, BigId, sa.ForeignKey(key, name=f"fk_{table}_{column}"), nullable=nullable)


def numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def unique_path() -> list[sa.schema.SchemaItem]:
    """Make a path unique within a volume. A text of any length cannot be unique on a server, so there its hash is."""
    dialect = op.get_context().dialect.name
    if dialect == "sqlite":
        return [sa.UniqueConstraint("directory_path", "volume_id", name="uq_base_directory_directory_path_volume_id")]
    kind = sa.LargeBinary().with_variant(mysql.BINARY(32), "mysql", "mariadb")
    digest = "unhex(sha2(directory_path, 256))"
    if dialect == "postgresql":
        # The bytes of the text. A computed column allows only immutable functions; `escape` needs doubled backslashes.
        digest = "sha256(decode(replace(directory_path, chr(92), chr(92) || chr(92)), 'escape'))"
    return [
        sa.Column("path_hash", kind, sa.Computed(digest, persisted=True)),
        sa.UniqueConstraint("path_hash", "volume_id", name="uq_base_directory_path_hash_volume_id"),
    ]


def drop_unfinished() -> None:
    """Drop the empty tables of an interrupted upgrade. MySQL cannot roll back a change of tables."""
    connection = op.get_bind()
    made = [name for name in CREATED if sa.inspect(connection).has_table(name)]
    if "volume" in made and connection.execute(sa.text("SELECT 1 FROM volume LIMIT 1")).first():
        raise StoreError("the tables hold rows, but not the version of their schema", "Restore the database.")
    for name in reversed(made):
        op.drop_table(name)


def upgrade() -> None:
    drop_unfinished()
    for table, key, name in LOOKUPS:
        op.create_table(
            table,
            sa.Column(key, BigId),
            sa.Column(name, sa.String(255), nullable=False),
            sa.PrimaryKeyConstraint(key, name=f"pk_{table}"),
            sa.UniqueConstraint(name, name=f"uq_{table}_{name}"),
            **OPTIONS,
        )
    op.create_table(
        "base_directory",
        sa.Column("base_directory_id", BigId),
        sa.Column("directory_path", Path, nullable=False),
        reference("volume_id", "base_directory", "volume_id", "volume.volume_id", nullable=False),
        sa.PrimaryKeyConstraint("base_directory_id", name="pk_base_directory"),
        *unique_path(),
        **OPTIONS,
    )
    op.create_index("ix_base_directory_volume_id", "base_directory", ["volume_id"])
    op.create_table(
        "lustre_usage",
        sa.Column("record_id", BigId),
        sa.Column("used", sa.BigInteger),
        sa.Column("quota", sa.BigInteger),
        sa.Column("record_date", sa.Date),
        sa.Column("last_modified", sa.BigInteger),
        reference("pi_id", "lustre_usage", "pi_id", "pi.pi_id"),
        reference("unix_id", "lustre_usage", "unix_id", "unix_group.group_id"),
        reference("warning_id", "lustre_usage", "warning_id", "warning.warning_id"),
        reference("base_directory_id", "lustre_usage", "base_directory_id", "base_directory.base_directory_id"),
        sa.PrimaryKeyConstraint("record_id", name="pk_lustre_usage"),
        **OPTIONS,
    )
    op.create_index(
        "ix_lustre_usage_base_directory_id_record_date", "lustre_usage", ["base_directory_id", "record_date"]
    )
    op.create_table(
        "directory",
        sa.Column("directory_id", BigId),
        sa.Column("directory_path", Path),
        sa.Column("num_files", sa.BigInteger),
        sa.Column("size", sa.Double),
        sa.Column("last_modified", sa.BigInteger),
        reference("pi_id", "directory", "pi_id", "pi.pi_id"),
        reference("group_id", "directory", "group_id", "unix_group.group_id"),
        reference("base_directory_id", "directory", "base_directory_id", "base_directory.base_directory_id"),
        sa.Column("size_bytes", sa.BigInteger),
        sa.PrimaryKeyConstraint("directory_id", name="pk_directory"),
        **OPTIONS,
    )
    op.create_index("ix_directory_base_directory_id_group_id", "directory", ["base_directory_id", "group_id"])
    op.create_table(
        "file_size",
        sa.Column("file_size_id", BigId),
        reference("directory_id", "file_size", "directory_id", "directory.directory_id"),
        reference("filetype_id", "file_size", "filetype_id", "filetype.filetype_id"),
        sa.Column("size", sa.Double),
        sa.Column("size_bytes", sa.BigInteger),
        sa.PrimaryKeyConstraint("file_size_id", name="pk_file_size"),
        **OPTIONS,
    )
    op.create_index("ix_file_size_directory_id", "file_size", ["directory_id"])
    op.create_table(
        "user_usage",
        sa.Column("record_id", BigId),
        sa.Column("record_date", sa.Date),
        reference("user_id", "user_usage", "user_id", "user.user_id"),
        reference("group_id", "user_usage", "group_id", "unix_group.group_id"),
        reference("volume_id", "user_usage", "volume_id", "volume.volume_id"),
        sa.Column("size", sa.BigInteger),
        sa.Column("last_modified", sa.Date),
        sa.Column("num_files", sa.BigInteger),
        sa.PrimaryKeyConstraint("record_id", name="pk_user_usage"),
        **OPTIONS,
    )
    op.create_index("ix_user_usage_volume_id_record_date", "user_usage", ["volume_id", "record_date"])
    op.create_table(
        "vault",
        sa.Column("record_id", BigId),
        sa.Column("record_date", sa.Date),
        sa.Column("filepath", Path),
        reference("group_id", "vault", "group_id", "unix_group.group_id"),
        reference("vault_action_id", "vault", "vault_action_id", "vault_actions.vault_action_id"),
        sa.Column("size", sa.BigInteger),
        reference("user_id", "vault", "user_id", "user.user_id"),
        sa.Column("last_modified", sa.Date),
        reference("volume_id", "vault", "volume_id", "volume.volume_id"),
        sa.PrimaryKeyConstraint("record_id", name="pk_vault"),
        **OPTIONS,
    )
    op.create_index("ix_vault_volume_id_record_date", "vault", ["volume_id", "record_date"])
    op.create_table(
        "volume_summary",
        reference("volume_id", "volume_summary", "volume_id", "volume.volume_id", nullable=False),
        sa.Column("record_date", sa.Date, nullable=False),
        *numbers(
            "records",
            "attributed",
            "unattributed",
            "vanished",
            "rejected",
            "attributed_bytes",
            "unattributed_bytes",
        ),
        sa.PrimaryKeyConstraint("volume_id", "record_date", name="pk_volume_summary"),
        **OPTIONS,
    )
    op.create_table(
        "unattributed_usage",
        reference("volume_id", "unattributed_usage", "volume_id", "volume.volume_id", nullable=False),
        sa.Column("record_date", sa.Date, nullable=False),
        reference("group_id", "unattributed_usage", "group_id", "unix_group.group_id", nullable=False),
        *numbers("used", "num_records"),
        sa.PrimaryKeyConstraint("volume_id", "record_date", "group_id", name="pk_unattributed_usage"),
        **OPTIONS,
    )
    actions = sa.table("vault_actions", sa.column("vault_action_id"), sa.column("action_name"))
    op.bulk_insert(
        actions,
        [{"vault_action_id": 1, "action_name": "Keep"}, {"vault_action_id": 2, "action_name": "Archive"}],
    )
    warnings = sa.table("warning", sa.column("warning_id"), sa.column("warning"))
    op.bulk_insert(
        warnings,
        [
            {"warning_id": 1, "warning": "OK"},
            {"warning_id": 2, "warning": "Kinda OK"},
            {"warning_id": 3, "warning": "Not OK"},
        ],
    )
    if op.get_context().dialect.name == "postgresql":
        # Explicit keys do not advance a sequence.
        op.execute("SELECT setval('vault_actions_vault_action_id_seq', 2), setval('warning_warning_id_seq', 3)")
