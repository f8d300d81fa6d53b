"""A private MariaDB server: own folder, own socket, no root."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests.services import need
from tests.services.database_server import DatabaseServer

PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    for program in PROGRAMS:
        if not shutil.which(program, path=path):
            return f"{program} is not installed (Debian: mariadb-server mariadb-client)"
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        return "mysqlclient is not installed (lurge[mysql])"
    return None


class MariaDb(DatabaseServer):
    """One MariaDB server."""

    superuser = "root"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        # A socket's path must be short.
        super().__init__(Path(tempfile.mkdtemp(prefix="lurge-db-")))
        self.socket = self.folder / "s.sock"
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self._user = getpass.getuser()
        subprocess.run(
            [
                "mariadb-install-db", "--no-defaults", f"--user={self._user}", f"--datadir={self.folder}/data",
                "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        self.start()

    def start(self, *options: str) -> None:
        self._start(
            [
                "mariadbd", "--no-defaults", f"--user={self._user}", f"--datadir={self.folder}/data",
                # What is committed survives a kill, if not a power cut.
                f"--socket={self.socket}", f"--pid-file={self.folder}/p.pid", "--skip-networking",
                "--local-infile=1", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=256M",
                "--innodb-log-file-size=64M", *options,
            ],
        )  # fmt: skip

    def _answers(self) -> bool:
        done = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-e", "select 1"],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def url(self, name: str) -> str:
        return f"mysql+mysqldb://root@localhost/{name}?unix_socket={self.socket}"

    def sql(self, statements: str, name: str = "") -> str:
        """What the client prints for some statements, without headers."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "--skip-column-names", "--batch"]
        done = subprocess.run(
            [*command, name] if name else command, input=statements, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_database(self, name: str) -> str:
        """Make an empty database in place of what was there; returns its URL."""
        self.sql(f"drop database if exists {name}; create database {name}")
        return self.url(name)

    def kill_connections(self, name: str) -> None:
        """End the connections to a database."""
        for number in self.sql(f"select id from information_schema.processlist where db = '{name}'").split():
            self.sql(f"kill {number}")

    def add_user(self, password: str, name: str) -> None:
        """Make the user `lurge`, who owns a database."""
        self.sql(f"create or replace user 'lurge'@'localhost' identified by '{password}';"
                 f"grant all privileges on {name}.* to 'lurge'@'localhost'")  # fmt: skip


def started() -> MariaDb:
    """A server; skips the test, saying why, where there can be none."""
    need(missing())
    return MariaDb()
