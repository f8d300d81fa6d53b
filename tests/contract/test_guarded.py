"""Connections to MySQL: they give no file away, and are encrypted where the server can be."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError
from lurge.store.database import Database
from lurge.store.database.bulk import insert_rows
from lurge.store.database.mysql import cipher_of, takes_files
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from tests.services import free_port
from tests.services.mariadb import MariaDb, started
from tests.services.rogue_mysql import RogueServer

MANY = 3000


@pytest.fixture
def mariadb(server: MariaDb) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=server.new_database("lurge_test")))
    upgrade(database, USAGE)
    yield database
    database.close()


@pytest.fixture
def rogue(tmp_path: Path) -> Iterator[RogueServer]:
    secret = tmp_path / "secret"
    secret.write_text("hush-hush")
    server = RogueServer(str(secret))
    yield server
    server.close()


def config_of(rogue: RogueServer, **options: object) -> DatabaseConfig:
    return DatabaseConfig(url=f"mysql+mysqldb://lurge@127.0.0.1:{rogue.port}/x", retry_seconds=0, **options)  # type: ignore[arg-type]


def test_a_server_gets_no_file_that_it_asks_for(rogue: RogueServer) -> None:
    database = Database(config_of(rogue))
    with pytest.raises(StoreError), database.reading() as connection:
        connection.exec_driver_sql("SELECT 1")
    database.close()
    assert rogue.statements
    assert rogue.received == b""


def test_a_driver_without_a_guard_would_send_the_file(rogue: RogueServer) -> None:
    """So the test above can fail."""
    import MySQLdb

    with suppress(MySQLdb.Error):
        MySQLdb.connect(host="127.0.0.1", port=rogue.port, user="x", local_infile=1)
    assert b"hush" in rogue.received


def rows_of(database: Database) -> list[tuple[int, str]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(schema.user).order_by(schema.user.c.user_id))]  # type: ignore[misc]


def test_only_the_rows_of_a_statement_are_sent(mariadb: Database, tmp_path: Path) -> None:
    rows = [(number, f"u\t{number}\\\n'") for number in range(1, MANY)]
    with mariadb.writing() as connection:
        assert takes_files(connection)
        insert_rows(connection, schema.user, ("user_id", "user_name"), rows)
    assert [row for row in rows_of(mariadb) if row[1].startswith("u\t")] == rows
    secret = tmp_path / "secret"
    secret.write_text("9999999\thush-hush\n")
    load = f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE user (user_id, user_name)"
    with pytest.raises(StoreError, match="was not offered"), mariadb.writing() as connection:
        connection.exec_driver_sql(load)
    assert "hush" not in str(rows_of(mariadb))


def test_an_error_of_the_rows_is_raised_and_nothing_inserted(mariadb: Database) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield from ((number, f"u{number}") for number in range(1, MANY))
        raise ZeroDivisionError("no more rows")

    with pytest.raises(ZeroDivisionError, match="no more rows"), mariadb.writing() as connection:
        insert_rows(connection, schema.user, ("user_id", "user_name"), rows())
    assert len(rows_of(mariadb)) < 2


def test_without_the_interface_rows_are_inserted(server: MariaDb, monkeypatch: pytest.MonkeyPatch) -> None:
    from lurge.store.database import guarded

    monkeypatch.setattr(guarded, "LIBRARY", None)
    database = Database(DatabaseConfig(url=server.new_database("lurge_test")))
    upgrade(database, USAGE)
    rows = [(number, f"u{number}") for number in range(1, MANY)]
    with database.writing() as connection:
        assert not takes_files(connection)
        insert_rows(connection, schema.user, ("user_id", "user_name"), rows)
    assert [row for row in rows_of(database) if row[1].startswith("u")] == rows
    assert any("cannot be kept from sending other files" in note for note in look_at(database).notes)
    database.close()


@pytest.fixture(scope="module")
def networked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MariaDb, int, Path]]:
    """A server that listens on a port, with a certificate of its own authority for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    folder.chmod(0o755)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:127.0.0.1\n")
    commands = (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
        "req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=127.0.0.1",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
    )
    for command in commands:
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)
    server = started()
    port = free_port()
    server.restart(
        "--skip-networking=0", "--bind-address=0.0.0.0", f"--port={port}", f"--ssl-ca={folder}/ca.pem",
        f"--ssl-cert={folder}/cert.pem", f"--ssl-key={folder}/key.pem",
    )  # fmt: skip
    server.sql("create database x; create user 'lurge'@'%' identified by ''; grant all on x.* to 'lurge'@'%'")
    yield server, port, folder / "ca.pem"
    server.remove()


def cipher(config: DatabaseConfig) -> str:
    database = Database(config)
    try:
        with database.reading() as connection:
            return cipher_of(connection)
    finally:
        database.close()


@pytest.mark.parametrize(("tls", "encrypted"), [("prefer", True), ("require", True), ("off", False)])
def test_a_connection_is_encrypted_if_the_server_can(
    networked: tuple[MariaDb, int, Path], tls: str, encrypted: bool
) -> None:
    url = f"mysql+mysqldb://lurge@127.0.0.1:{networked[1]}/x"
    assert bool(cipher(DatabaseConfig(url=url, tls=tls))) is encrypted


def test_a_server_proves_who_it_is(networked: tuple[MariaDb, int, Path], tmp_path: Path) -> None:
    _, port, authority = networked
    other = tmp_path / "other.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -days 2 -subj /CN=other -out"
    subprocess.run(["openssl", *command.split(), str(other)], check=True, capture_output=True)
    assert cipher(DatabaseConfig(url=f"mysql+mysqldb://lurge@127.0.0.1:{port}/x", tls="verify", ca_file=authority))
    for host, wrong in (("127.0.0.1", other), ("127.0.0.1", None), ("127.0.0.2", authority)):
        url = f"mysql+mysqldb://lurge@{host}:{port}/x"
        with pytest.raises(StoreError, match=r"(?i)tls|ssl|certificate"):
            cipher(DatabaseConfig(url=url, tls="verify", ca_file=wrong, retry_seconds=0))


@pytest.fixture(scope="module")
def unencrypted() -> Iterator[str]:
    """The URL of a server that listens on a port, and cannot encrypt."""
    server = started()
    port = free_port()
    server.restart("--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}")
    server.sql("create database x; create user 'lurge'@'%' identified by ''; grant all on x.* to 'lurge'@'%'")
    yield f"mysql+mysqldb://lurge@127.0.0.1:{port}/x"
    server.remove()


@pytest.mark.parametrize("options", ["", "?ssl_cert=/dev/null&ssl_key=/dev/null", "?ssl_cipher=HIGH"])
@pytest.mark.parametrize("tls", ["require", "verify"])
def test_a_server_that_cannot_encrypt_is_refused_where_that_is_required(
    unencrypted: str, tls: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match=r"(?i)tls|ssl"):
        cipher(DatabaseConfig(url=unencrypted + options, tls=tls, retry_seconds=0))
    monkeypatch.setattr("lurge.store.database.guarded.LIBRARY", None)
    with pytest.raises(StoreError, match=r"(?i)tls|ssl"):
        cipher(DatabaseConfig(url=unencrypted + options, tls=tls, retry_seconds=0))


def test_a_server_that_cannot_encrypt_is_used_and_named_otherwise(unencrypted: str) -> None:
    database = Database(DatabaseConfig(url=unencrypted))
    upgrade(database, USAGE)
    assert any("not encrypted" in note for note in look_at(database).notes)
    database.close()


def test_a_host_in_an_option_file_is_not_taken_for_this_machine(
    networked: tuple[MariaDb, int, Path], tmp_path: Path
) -> None:
    (tmp_path / "my.cnf").write_text(f"[client]\nhost=127.0.0.1\nport={networked[1]}\nuser=lurge\n")
    assert cipher(DatabaseConfig(url="mysql+mysqldb:///x", option_file=tmp_path / "my.cnf"))


def test_nothing_is_sent_to_a_server_that_does_not_encrypt(rogue: RogueServer) -> None:
    with pytest.raises(StoreError, match=r"(?i)tls|ssl"):
        cipher(config_of(rogue, tls="require"))
    assert rogue.statements == []
