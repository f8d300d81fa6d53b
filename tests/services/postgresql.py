"""A private PostgreSQL server: own folder, own socket; as root it runs as nobody, because it refuses root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.services import free_port, need
from tests.services.database_server import SECONDS_TO_START, DatabaseServer

FOLDERS = "/usr/lib/postgresql"


def programs() -> Path | None:
    """The folder of the newest server's programs, which Debian does not put on the path."""
    places = [Path(path).parent for path in [shutil.which("initdb")] if path]
    places += sorted(Path(FOLDERS).glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "psql").exists()), None)


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed (lurge[postgresql])"
    return None


class PostgreSql(DatabaseServer):
    """One PostgreSQL server."""

    superuser = "postgres"
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        # A socket's path must be short.
        super().__init__(Path(tempfile.mkdtemp(prefix="lurge-pg-")))
        found = programs()
        assert found
        self._programs = found
        self.port = free_port()
        self._as: dict[str, Any] = {"cwd": self.folder}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        subprocess.run(
            [
                found / "initdb", "-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-N",
                "--locale=C.UTF-8",
            ],
            check=True,
            capture_output=True,
            **self._as,
        )  # fmt: skip
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("local all lurge scram-sha-256\n" + rules.read_text())
        self.start()

    def start(self, *options: str) -> None:
        self._start(
            [
                self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-p", str(self.port),
                # What is committed survives a kill, if not a power cut.
                "-c", "listen_addresses=", "-c", "fsync=off", *options,
            ],
            **self._as,
        )  # fmt: skip

    def _answers(self) -> bool:
        return self._psql("select 1", "postgres").returncode == 0

    def _psql(self, statements: str, name: str) -> subprocess.CompletedProcess[str]:
        command = [
            self._programs / "psql",
            "-X",
            "-q",
            "-h",
            self.folder,
            "-p",
            str(self.port),
            "-U",
            "postgres",
            "-d",
            name,
        ]
        return subprocess.run(
            [*command, "-At", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=statements,
            capture_output=True,
            text=True,
            check=False,
        )

    def kill(self) -> None:
        """End all processes of the server at once, as a crash would."""
        assert self._process
        number = self._process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        self._process.kill()
        self._process.wait()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                continue
        # The next server looks whether any of them still lives.
        ends = time.monotonic() + SECONDS_TO_START
        while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < ends:
            time.sleep(0.01)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}&port={self.port}"

    def keep_file(self, name: str, content: bytes) -> Path:
        """A file that the server alone may read."""
        path = self.folder / "data" / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._as.get("user") is not None:
            os.chown(path, self._as["user"], self._as["group"])
        return path

    def sql(self, statements: str, name: str = "postgres") -> str:
        """What the client prints for some statements, without headers."""
        done = self._psql(statements, name)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_database(self, name: str) -> str:
        """Make an empty database in place of what was there; returns its URL."""
        self.sql(f"drop database if exists {name} with (force);\ncreate database {name};")
        return self.url(name)

    def kill_connections(self, name: str) -> None:
        """End the connections to a database."""
        self.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")

    def add_user(self, password: str, name: str) -> None:
        """Make the user `lurge`, who owns a database and needs a password."""
        if not self.sql("select 1 from pg_roles where rolname = 'lurge'"):
            self.sql("create role lurge login")
        self.sql(f"alter role lurge password '{password}'; alter database {name} owner to lurge")


def started() -> PostgreSql:
    """A server; skips the test, saying why, where there can be none."""
    need(missing())
    return PostgreSql()
