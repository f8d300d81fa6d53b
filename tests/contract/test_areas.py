"""Areas of one database: each has its own tables, migrations, version and lock, and none stops another."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import LockHeld, StoreError
from lurge.store.database import Database
from lurge.store.database.area import Area, revisions
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.database.upgrade import upgrade
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import named, paths

ENVIRONMENT = "from lurge.store.database.upgrade import run_migrations\nrun_migrations()\n"
FIRST = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.create_table("toy", sa.Column("toy_id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9)))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("toy", sa.Column("size", sa.BigInteger))
"""
metadata = sa.MetaData()
toys = sa.Table(
    "toy",
    metadata,
    sa.Column("toy_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(9)),
    sa.Column("size", sa.BigInteger),
)


@pytest.fixture
def toy(tmp_path: Path) -> Area:
    """An area that lurge does not know."""
    migrations = tmp_path / "100% toys"
    (migrations / "versions").mkdir(parents=True)
    (migrations / "env.py").write_text(ENVIRONMENT)
    (migrations / "script.py.mako").write_text("")
    (migrations / "versions" / "0001_toys.py").write_text(FIRST)
    return Area.named("toy", metadata, migrations)


@pytest.fixture
def empty(database_config: DatabaseConfig) -> Database:
    return Database(database_config)


def version(database: Database, area: Area) -> str | None:
    with database.reading() as connection:
        return revisions(connection, area, sa.inspect(connection).get_table_names())[0]


def test_each_area_is_upgraded_by_itself(empty: Database, toy: Area) -> None:
    upgrade(empty, toy)
    assert (version(empty, toy), version(empty, USAGE)) == ("0001", None)
    upgrade(empty, USAGE)
    newest = version(empty, USAGE)
    (toy.migrations / "versions" / "0002_sizes.py").write_text(SECOND)
    upgrade(empty, toy)
    assert (version(empty, toy), version(empty, USAGE)) == ("0002", newest)
    with empty.writing() as connection:
        connection.execute(sa.insert(toys).values(name="ball", size=5))
    store_volume(empty, named())
    upgrade(empty, toy)
    with empty.reading() as connection:
        assert connection.execute(sa.select(toys)).all() == [(1, "ball", 5)]
    assert look_at(empty).problems == []
    empty.close()


def test_a_resident_job_of_one_area_does_not_block_another(
    empty: Database, database_config: DatabaseConfig, toy: Area
) -> None:
    night = Database(database_config)
    with sole_run(empty, toy, "watch") as resident:
        with sole_run(night, USAGE, "report") as lock:
            store_volume(night, named(), lock.confirm)
            with pytest.raises(LockHeld, match="report, process"):
                RunLock(empty, USAGE).take("report")
            resident.confirm()
        with pytest.raises(LockHeld, match="watch, process"):
            RunLock(night, toy).take("watch")
    for area in (toy, USAGE):
        with sole_run(night, area, "again"):
            pass
    assert paths(night, "scratch101") == ["a0", "a1", "a2"]
    night.close()
    empty.close()


def test_tables_of_another_program_are_left_alone(empty: Database, toy: Area) -> None:
    """Both in a database of its own, and beside those of another area."""
    with empty.writing() as connection:
        connection.exec_driver_sql("create table toy (x integer)")
    with pytest.raises(StoreError, match="lurge did not make them"):
        upgrade(empty, toy)
    with empty.writing() as connection:
        connection.exec_driver_sql("drop table toy")
    upgrade(empty, USAGE)
    with empty.writing() as connection:
        connection.exec_driver_sql("create table toy (x integer)")
    with pytest.raises(StoreError, match="lurge did not make them"):
        upgrade(empty, toy)
    with empty.reading() as connection:
        assert [column["name"] for column in sa.inspect(connection).get_columns("toy")] == ["x"]
    empty.close()


def test_the_lock_of_usage_is_the_one_of_older_versions(empty: Database) -> None:
    """So that two versions exclude each other."""
    lock = RunLock(empty, USAGE)
    lock.take("report")
    kind = empty.engine.dialect.name
    if kind == "sqlite":
        assert Path(f"{empty}.lock").exists()
    if kind == "mysql":
        with empty.reading() as connection:
            database = sa.func.substr(sa.func.sha2(sa.func.database(), 256), 1, 32)
            held = sa.func.is_used_lock(sa.func.concat("lurge.", database))
            assert connection.execute(sa.select(held)).scalar() is not None
    lock.release()
    empty.close()
