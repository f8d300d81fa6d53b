"""A database as the older tool left it: its tables, and what its three programs ask of MySQL each night."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

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


@dataclass
class Usage:
    """One group in one base directory. directories: by path (files, GiB, days, GiB by filetype)."""

    group: str | None
    base: str
    used: int
    pi: str | None = "Ten"
    quota: int | None = None
    days: float = 1.5
    directories: dict[str, tuple[int, float, float, dict[str, float]]] = field(default_factory=dict)


class OlderTool:
    """One run of its programs, which keep the keys that they read at the start, and commit as they go."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.keys = {
            table: {name: key for key, name in self.ask(f"SELECT * FROM {table}")}
            for table in ("pi", "unix_group", "volume", "vault_actions", "user", "filetype")
        }
        self.keys["base_directory"] = {
            path: key for key, path in self.ask("SELECT base_directory_id, directory_path FROM base_directory")
        }

    def ask(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self._connection.exec_driver_sql(statement, values)]

    def do(self, statement: str, *values: object) -> int:
        done = self._connection.exec_driver_sql(statement, values)
        return int(done.lastrowid)

    def key(self, table: str, column: str, name: object, remember: bool = True) -> object:
        """The key of a name, which is added if it was not there at the start."""
        known = self.keys[table]
        if name is None:
            return None
        if name not in known:
            added = self.do(f"INSERT INTO {table} ({column}) VALUES (%s)", name)
            if not remember:
                return added
            known[name] = added
        return known[name]

    def is_stored(self, table: str, volume: str, day: date) -> bool:
        """Whether a table has rows of a volume's date, as each program asks first."""
        bases = "INNER JOIN base_directory USING (base_directory_id)" if table == "lustre_usage" else ""
        query = f"SELECT DISTINCT record_date FROM {table} {bases} INNER JOIN volume USING (volume_id)"
        return (day,) in self.ask(f"{query} WHERE scratch_disk = %s", volume)

    def store_groups(self, volume: str, changed: date, rows: Iterable[Usage]) -> None:
        """Groups and directories. changed: the day on which the dump's file was changed."""
        self.do(
            "UPDATE directory INNER JOIN base_directory USING (base_directory_id) INNER JOIN volume USING (volume_id)"
            " SET directory.directory_path = (SELECT CONCAT('.hgi.old.', directory.directory_path))"
            " WHERE scratch_disk = %s",
            volume,
        )
        self._connection.commit()
        for row in rows:
            pi = self.key("pi", "pi_name", row.pi)
            # A new group is not remembered: its second base directory adds it again.
            group = self.key("unix_group", "group_name", row.group, remember=False)
            disk = self.key("volume", "scratch_disk", volume)
            bases = self.keys["base_directory"]
            if row.base not in bases:
                bases[row.base] = self.do(
                    "INSERT INTO base_directory (directory_path, volume_id) VALUES (%s, %s)", row.base, disk
                )
            self.do(
                "INSERT INTO lustre_usage (used, quota, record_date, last_modified, pi_id, unix_id, base_directory_id,"
                " warning_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                *(row.used, row.quota, changed, row.days, pi, group, bases[row.base], 1),
            )
            self._connection.commit()
            for path, (files, size, days, filetypes) in row.directories.items():
                directory_id = self.do(
                    "INSERT INTO directory (directory_path, num_files, size, last_modified, pi_id, base_directory_id,"
                    " group_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    *(path, files, size, days, pi, bases[row.base], group),
                )
                for filetype, gib in filetypes.items():
                    self.do(
                        "INSERT INTO file_size (directory_id, filetype_id, size) VALUES (%s, %s, %s)",
                        *(directory_id, self.key("filetype", "filetype_name", filetype), gib),
                    )
                self._connection.commit()
        self.do(
            "DELETE FROM file_size WHERE directory_id IN"
            " (SELECT directory_id FROM directory WHERE directory_path LIKE '.hgi.old.%%')"
        )
        self.do("DELETE FROM directory WHERE directory_path LIKE '.hgi.old%%'")
        self._connection.commit()

    def store_users(self, volume: str, named: date, rows: Iterable[tuple[str, str, int, date]]) -> None:
        """Users, of whom one without a name has an empty one. named: the date in the dump's name."""
        for user_name, group_name, size, changed in rows:
            self.do(
                "INSERT INTO user_usage (record_date, user_id, group_id, volume_id, size, last_modified)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                named,
                self.key("user", "user_name", user_name),
                self.key("unix_group", "group_name", group_name),
                self.key("volume", "scratch_disk", volume),
                size,
                changed,
            )
        self._connection.commit()

    def store_vault(self, volume: str, named: date, rows: Iterable[tuple[str, str, str, str, int, date]]) -> None:
        """Vaults, of which only known actions are stored."""
        for path, action, user_name, group_name, size, changed in rows:
            if action in self.keys["vault_actions"]:
                self.do(
                    "INSERT INTO vault (record_date, filepath, group_id, vault_action_id, size, user_id, last_modified,"
                    " volume_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    named,
                    path,
                    self.key("unix_group", "group_name", group_name),
                    self.keys["vault_actions"][action],
                    size,
                    self.key("user", "user_name", user_name),
                    changed,
                    self.key("volume", "scratch_disk", volume),
                )
        self._connection.commit()
