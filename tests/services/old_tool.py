"""A database as the older tool left it: its tables, and every kind of oddity that its sites have."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from lurge.store.database import Database

metadata = sa.MetaData()
Key = sa.Integer


def lookup(table: str, key: str, name: str) -> sa.Table:
    """No name is unique, and any may be missing."""
    return sa.Table(table, metadata, sa.Column(key, Key, primary_key=True), sa.Column(name, sa.Text))


pi = lookup("pi", "pi_id", "pi_name")
unix_group = lookup("unix_group", "group_id", "group_name")
volume = lookup("volume", "volume_id", "scratch_disk")
user = lookup("user", "user_id", "user_name")
filetype = lookup("filetype", "filetype_id", "filetype_name")
vault_actions = lookup("vault_actions", "vault_action_id", "action_name")
warning = lookup("warning", "warning_id", "warning")


def refers(name: str, column: sa.Column[int]) -> sa.Column[int]:
    return sa.Column(name, Key, sa.ForeignKey(column))


base_directory = sa.Table(
    "base_directory",
    metadata,
    sa.Column("base_directory_id", Key, primary_key=True),
    sa.Column("directory_path", sa.Text, nullable=False),
    sa.Column("volume_id", Key, sa.ForeignKey(volume.c.volume_id), nullable=False),
)
lustre_usage = sa.Table(
    "lustre_usage",
    metadata,
    sa.Column("record_id", Key, primary_key=True),
    sa.Column("used", sa.BigInteger),
    sa.Column("quota", sa.BigInteger),
    sa.Column("record_date", sa.Date),
    sa.Column("last_modified", sa.Integer),
    refers("pi_id", pi.c.pi_id),
    refers("unix_id", unix_group.c.group_id),
    refers("warning_id", warning.c.warning_id),
    refers("base_directory_id", base_directory.c.base_directory_id),
)
directory = sa.Table(
    "directory",
    metadata,
    sa.Column("directory_id", Key, primary_key=True),
    sa.Column("directory_path", sa.Text),
    sa.Column("num_files", sa.BigInteger),
    sa.Column("size", sa.BigInteger),
    sa.Column("last_modified", sa.Integer),
    refers("pi_id", pi.c.pi_id),
    refers("group_id", unix_group.c.group_id),
    refers("base_directory_id", base_directory.c.base_directory_id),
)
file_size = sa.Table(
    "file_size",
    metadata,
    sa.Column("file_size_id", Key, primary_key=True),
    refers("directory_id", directory.c.directory_id),
    refers("filetype_id", filetype.c.filetype_id),
    sa.Column("size", sa.Float().with_variant(mysql.FLOAT(), "mysql", "mariadb")),
)
user_usage = sa.Table(
    "user_usage",
    metadata,
    sa.Column("record_id", Key, primary_key=True),
    sa.Column("record_date", sa.Date),
    refers("user_id", user.c.user_id),
    refers("group_id", unix_group.c.group_id),
    refers("volume_id", volume.c.volume_id),
    sa.Column("size", sa.BigInteger),
    sa.Column("last_modified", sa.Date),
)
vault = sa.Table(
    "vault",
    metadata,
    sa.Column("record_id", Key, primary_key=True),
    sa.Column("record_date", sa.Date),
    sa.Column("filepath", sa.Text),
    refers("group_id", unix_group.c.group_id),
    refers("vault_action_id", vault_actions.c.vault_action_id),
    sa.Column("size", sa.BigInteger),
    sa.Column("last_modified", sa.Date),
    refers("volume_id", volume.c.volume_id),
    refers("user_id", user.c.user_id),
)

SEEDS: dict[sa.Table, list[tuple[object, ...]]] = {
    warning: [(1, "OK"), (2, "Kinda OK"), (3, "Not OK")],
    vault_actions: [(1, "Keep"), (2, "Archive")],
    filetype: [(1, "BAM"), (2, "CRAM"), (3, "VCF"), (4, "PEDBED")],
}


def make_tables(database: Database) -> None:
    """The older tool's tables, with the rows that every site's have."""
    with database.writing() as connection:
        metadata.create_all(connection)
        insert(connection, SEEDS)


def insert(connection: sa.Connection, rows: dict[sa.Table, list[tuple[object, ...]]]) -> None:
    for table, values in rows.items():
        for value in values:
            connection.execute(sa.insert(table).values(dict(zip(table.c.keys(), value, strict=True))))
