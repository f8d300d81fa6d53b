"""Fixtures that all tests share."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from lurge.config.database import DatabaseConfig
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.usage.area import USAGE
from lurge.store.works.area import WORKS
from tests.services import mariadb, postgresql
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql
from tests.site import Site

# A longer hunt: LURGE_EXAMPLES=5000 pytest tests/property
settings.register_profile("lurge", deadline=None, max_examples=int(os.environ.get("LURGE_EXAMPLES", "200")))
settings.load_profile("lurge")

# A shell lets what it starts in the background ignore interrupts, and so would every process that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDb]:
    """A MariaDB server for all tests."""
    running = mariadb.started()
    yield running
    running.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSql]:
    """A PostgreSQL server for all tests."""
    running = postgresql.started()
    yield running
    running.remove()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server of S3, and of S3 Tables, for all tests."""
    moto_server = pytest.importorskip("moto.server", reason="moto is not installed (lurge[services])")
    running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def endpoint(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server of S3 without a bucket, with the environment that a client needs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield s3_server
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/moto-api/reset", method="POST")).close()


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def database_config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return DatabaseConfig(url=f"sqlite:///{tmp_path}/lurge.db")
    server = request.getfixturevalue("server" if request.param == "mariadb" else "postgres")
    return DatabaseConfig(url=server.new_database("lurge_test"))


@pytest.fixture
def database(database_config: DatabaseConfig) -> Iterator[Database]:
    """A database of each kind, with the tables in it."""
    database = Database(database_config)
    upgrade(database, USAGE)
    yield database
    database.close()


@pytest.fixture
def works(database_config: DatabaseConfig) -> Iterator[Database]:
    """A database of each kind, with the tables of works in it."""
    database = Database(database_config)
    upgrade(database, WORKS)
    yield database
    database.close()


@pytest.fixture(params=["mariadb", "postgresql"])
def running(request: pytest.FixtureRequest) -> MariaDb | PostgreSql:
    """A server of each kind."""
    server: MariaDb | PostgreSql = request.getfixturevalue("server" if request.param == "mariadb" else "postgres")
    return server
