"""A small site for tests: dumps written line by line, a configuration, and what lurge made of them."""

from __future__ import annotations

import base64
import gzip
import os
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET
from lurge.source.quote import quote_inside

TODAY = date(2024, 1, 31)
DUMP_TIME = 1706745599  # 2024-01-31 23:59:59 UTC

NO_TREE = "[tree]\nenabled = false\n"

TO_SORTED = bytes.maketrans(STANDARD_ALPHABET, SORTED_ALPHABET)


def encode(path: bytes, encoding: str) -> bytes:
    """A path as an era writes it: standard, sorted or quoted."""
    if encoding == "quoted":
        return b'"' + quote_inside(path) + b'"'
    text = base64.b64encode(path)
    return text.translate(TO_SORTED) if encoding == "sorted" else text


@dataclass
class Entry:
    """One line of a dump."""

    path: str | bytes
    size: int = 100
    uid: int = 1
    gid: int = 10
    mtime: int = DUMP_TIME - 86400
    type: str = "f"
    inode: int = 5
    nlink: int = 1

    def line(self, encoding: str = "quoted", columns: int = 12) -> bytes:
        path = self.path.encode() if isinstance(self.path, str) else self.path
        numbers = (self.size, self.uid, self.gid, 0, self.mtime, 0)
        fields = [
            encode(path, encoding),
            *(b"%d" % number for number in numbers),
            self.type.encode(),
            *(b"%d" % number for number in (self.inode, self.nlink, 77, self.size)),
        ]
        return b"\t".join(fields[:columns]) + b"\n"


@dataclass
class Site:
    """A folder with dumps, base directories, names and a configuration."""

    folder: Path
    volumes: list[str] = field(default_factory=lambda: ["scratch101"])
    extra: str = ""
    has_tree: bool = False
    """Whether reports build the tree index."""

    def __post_init__(self) -> None:
        self.dumps.mkdir(parents=True, exist_ok=True)
        (self.folder / "groups.tsv").write_text("10\tten\tDr Ten\n11\televen\t\n")
        (self.folder / "users.tsv").write_text("1\tuno\n2\tdue\n")
        self.configure()

    @property
    def dumps(self) -> Path:
        return self.folder / "dumps"

    @property
    def config(self) -> Path:
        return self.folder / "lurge.toml"

    @property
    def database(self) -> Path:
        return self.folder / "out" / "lurge.db"

    def configure(self, extra: str | None = None, dumps_extra: str = "") -> None:
        names = ", ".join(f'"{name}"' for name in self.volumes)
        self.config.write_text(
            f'[dumps]\ndirectory = "dumps"\nvolumes = [{names}]\nmax_days_ago = 100000\n{dumps_extra}\n'
            '[identity]\nprovider = "files"\n[identity.files]\ngroups = "groups.tsv"\nusers = "users.tsv"\n'
            f"{(self.extra if extra is None else extra).replace(NO_TREE, '')}\n"
            f"{'' if self.has_tree else NO_TREE}"
        )

    def base_directories(self, *pairs: tuple[int, str | bytes], name: str = "20240101.basedirs") -> None:
        lines = [b"%d\t%b\n" % (gid, p.encode() if isinstance(p, str) else p) for gid, p in pairs]
        (self.dumps / name).write_bytes(b"".join(lines))

    def dump(
        self,
        *entries: Entry | bytes,
        volume: str = "scratch101",
        day: str = "20240131",
        encoding: str = "quoted",
        columns: int = 12,
    ) -> Path:
        """Write a dump; bytes are lines as they are."""
        path = self.dumps / f"{day}_{volume}.aaa.bbb.stats.gz"
        lines = [entry if isinstance(entry, bytes) else entry.line(encoding, columns) for entry in entries]
        path.write_bytes(gzip.compress(b"".join(lines), mtime=0))
        return path

    def run(
        self, *arguments: str, status: int | None = 0, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `lurge report`; fails where the exit status is another than expected."""
        done = run_lurge("report", "--config", str(self.config), *arguments, env=env)
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What a query finds in the database, sorted."""
        connection = sqlite3.connect(self.database)
        try:
            return sorted(connection.execute(query).fetchall(), key=repr)
        finally:
            connection.close()

    def tsv(self, kind: str) -> list[list[str]]:
        """The lines of the one TSV of a kind of report, split."""
        (path,) = (self.folder / "out" / kind).iterdir()
        return [line.split("\t") for line in path.read_text().removesuffix("\n").split("\n")]

    def everything(self) -> dict[str, object]:
        """The whole database as SQL, and every TSV's bytes."""
        return {"database": self.sql(), **self.tsv_bytes()}

    def sql(self) -> list[str]:
        if not self.database.exists():
            return []
        connection = sqlite3.connect(self.database)
        try:
            return list(connection.iterdump())
        finally:
            connection.close()

    def tsv_bytes(self) -> dict[str, bytes]:
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.glob("out/*/*.tsv")}


GROUPS = """select directory_path, group_name, pi_name, used, last_modified from lustre_usage
    join base_directory using (base_directory_id) join unix_group on unix_id = group_id
    left join pi on lustre_usage.pi_id = pi.pi_id"""
DIRECTORIES = """select b.directory_path, d.directory_path, group_name, num_files, size_bytes, last_modified
    from directory d join base_directory b using (base_directory_id) join unix_group using (group_id)"""
FILE_SIZES = """select d.directory_path, filetype_name, f.size_bytes from file_size f
    join directory d using (directory_id) join filetype using (filetype_id)"""
USERS = """select user_name, group_name, size, last_modified, num_files from user_usage
    join user using (user_id) join unix_group using (group_id)"""
VAULT = """select filepath, action_name, size, user_name, group_name, last_modified from vault
    join vault_actions using (vault_action_id) join user using (user_id) join unix_group using (group_id)"""
UNATTRIBUTED = "select group_name, used, num_records from unattributed_usage join unix_group using (group_id)"
SUMMARY = """select records, attributed, unattributed, vanished, rejected, attributed_bytes, unattributed_bytes
    from volume_summary"""


def run_lurge(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lurge", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **(env or {})},
        check=False,
    )
