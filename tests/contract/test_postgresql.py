"""What is particular to PostgreSQL: encodings, keys, TLS, settings of a session, a missing driver."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, StoreUnavailable
from lurge.store.database import Database
from lurge.store.database.bulk import insert_rows, next_id
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from tests.services import need
from tests.services.postgresql import PostgreSql


@pytest.fixture
def database(postgres: PostgreSql) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=postgres.new_database("particular")))
    upgrade(database, USAGE)
    yield database
    database.close()


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: PostgreSql) -> None:
    postgres.sql("drop database if exists latin;")
    postgres.sql("create database latin encoding 'LATIN1' locale 'C' template template0;")
    database = Database(DatabaseConfig(url=postgres.url("latin")))
    with pytest.raises(StoreError, match="LATIN1, not UTF8"):
        upgrade(database, USAGE)
    with database.reading() as connection:
        assert sa.inspect(connection).get_table_names() == []
    database.close()


def test_a_sequence_never_gives_a_key_that_is_in_use(database: Database) -> None:
    """Other programs let the sequence of a table give keys."""
    with database.writing() as connection:
        insert_rows(connection, schema.pi, ("pi_id", "pi_name"), [(5, "five"), (9, "nine")])
        connection.exec_driver_sql("insert into pi (pi_name) values ('ten')")
        connection.exec_driver_sql("insert into warning (warning) values ('more')")
        assert next_id(connection, schema.pi) == 11
        assert next_id(connection, schema.warning) == 5


def test_every_value_arrives_as_it_is(database: Database) -> None:
    names = ["tab\t", "line\n", "return\r", "back\\slash", "\\N", "\\.", "", "nul\0", "\U0001f9ec", "'\"%s", "\x01"]
    with database.writing() as connection:
        rows = enumerate(names, start=1)
        insert_rows(connection, schema.pi, ("pi_id", "pi_name"), rows)
        insert_rows(connection, schema.pi, ("pi_id", "pi_name"), [])
        stored = connection.execute(sa.select(schema.pi.c.pi_name).order_by(schema.pi.c.pi_id)).scalars().all()
    assert stored == [name.replace("\0", "\\x00") for name in names]


def test_a_path_longer_than_any_index_is_still_unique(database: Database) -> None:
    """Longer than any index takes."""
    path = "/" + "\\x\u00e9" * 100_000
    with database.writing() as connection:
        insert_rows(connection, schema.volume, ("volume_id", "scratch_disk"), [(1, "one")])
        columns = ("directory_path", "volume_id")
        insert_rows(connection, schema.base_directory, columns, [(path, 1), (path + "y", 1)])
    with pytest.raises(StoreError, match="path_hash"), database.writing() as connection:
        insert_rows(connection, schema.base_directory, columns, [(path, 1)])


def test_reading_writes_nothing(database: Database) -> None:
    with pytest.raises(StoreError, match="read-only"), database.reading() as connection:
        connection.exec_driver_sql("insert into pi (pi_name) values ('x')")
    with database.writing() as connection:
        connection.exec_driver_sql("insert into pi (pi_name) values ('x')")


def test_settings_of_a_site_do_not_end_a_night(postgres: PostgreSql) -> None:
    url = postgres.new_database("impatient")
    postgres.sql("alter database impatient set statement_timeout = '500ms'")
    postgres.sql("alter database impatient set idle_session_timeout = '500ms'")
    database = Database(DatabaseConfig(url=url))
    with database.reading() as connection:
        connection.exec_driver_sql("select pg_sleep(0.7)")
        assert connection.exec_driver_sql("show idle_session_timeout").scalar() == "0"
        assert connection.exec_driver_sql("show timezone").scalar() == "UTC"
    database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://nobody@/particular?host={folder}&port={port}", 'role "nobody" does not exist'),
        ("postgresql+psycopg://postgres@/absent?host={folder}&port={port}", 'database "absent" does not exist'),
        ("postgresql+psycopg://postgres@/particular?host={folder}&port={port}&nonsense=1", "nonsense"),
    ],
)
def test_an_error_that_stays_is_not_waited_for(
    postgres: PostgreSql, database: Database, url: str, message: str
) -> None:
    other = Database(DatabaseConfig(url=url.format(folder=postgres.folder, port=postgres.port)))
    with pytest.raises(StoreError, match=message) as caught:
        look_at(other)
    assert not isinstance(caught.value, StoreUnavailable)


def test_a_server_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    database = Database(DatabaseConfig(url=f"postgresql+psycopg://x@/x?host={tmp_path}"))
    with pytest.raises(StoreUnavailable, match="x on this host"):
        look_at(database)


@pytest.fixture
def certificate(postgres: PostgreSql, tmp_path: Path) -> Iterator[Path]:
    """The certificate of the server, while it is reached by the network with TLS."""
    need(None if shutil.which("openssl") else "openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    kept = [postgres.keep_file(path.name, path.read_bytes()) for path in (key, certificate)]
    postgres.restart(
        "-c", "listen_addresses=localhost", "-c", "ssl=on", "-c", f"ssl_key_file={kept[0]}",
        "-c", f"ssl_cert_file={kept[1]}",
    )  # fmt: skip
    yield certificate
    postgres.restart()


def test_connections_are_encrypted_as_told(postgres: PostgreSql, certificate: Path) -> None:
    postgres.new_database("tls")
    url = f"postgresql+psycopg://postgres@{{}}:{postgres.port}/tls"
    encrypted = [("prefer", None), ("require", None), ("verify", certificate)]
    for tls, ca_file in (("off", None), *encrypted):
        database = Database(DatabaseConfig(url=url.format("localhost"), tls=tls, ca_file=ca_file))
        upgrade(database, USAGE)
        notes = look_at(database).notes
        assert notes == ([] if tls != "off" else ["the connection is not encrypted: see database.tls"])
        database.close()
    for host, ca_file in (("localhost", None), ("127.0.0.1", certificate)):
        database = Database(DatabaseConfig(url=url.format(host), tls="verify", ca_file=ca_file))
        with pytest.raises(StoreError, match="certificate") as caught:
            look_at(database)
        assert not isinstance(caught.value, StoreUnavailable)
    postgres.restart("-c", "listen_addresses=localhost")
    database = Database(DatabaseConfig(url=url.format("localhost"), tls="require"))
    with pytest.raises(StoreError, match="does not support SSL"):
        look_at(database)


def test_a_missing_driver_is_named() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from lurge.config.settings import DatabaseConfig\n"
        "from lurge.errors import StoreError\n"
        "from lurge.store.database import Database\n"
        "try: Database(DatabaseConfig(url='postgresql+psycopg://x@y/z'))\n"
        "except StoreError as error: print(error.message, error.advice)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "psycopg" in done.stdout
    assert "lurge[postgresql]" in done.stdout
