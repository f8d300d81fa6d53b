"""A database that goes away: connections killed, deadlocks, a server that dies, and two runs at once."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from lurge.config.settings import DatabaseConfig
from lurge.errors import LockHeld, StoreError, StoreUnavailable
from lurge.model.directories import Directories
from lurge.store.database import Database
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import contents, named, paths
from tests.services.mariadb import MariaDb

NEW = ["new0", "new1", "new2"]


@pytest.fixture
def mariadb(server: MariaDb) -> Iterator[Database]:
    """A database on the server with a state in it."""
    database = Database(DatabaseConfig(server.new_database("lurge_test")))
    upgrade(database, USAGE)
    store_volume(database, named())
    yield database
    database.close()


def once_at(database: Database, text: str, deed: Callable[[], object]) -> None:
    """Do something the first time that a statement holds `text`, before it is executed."""
    done = False

    def before(_: object, __: object, statement: str, *more: object) -> None:
        nonlocal done
        if text in statement and not done:
            done = True
            deed()

    sa.event.listen(database.engine, "before_cursor_execute", before)


def kill_connections(server: MariaDb) -> None:
    server.sql(
        "set @me = connection_id(); select concat('kill ', id) from information_schema.processlist"
        " where id != connection_id() and command != 'Daemon'"
    )
    for number in server.sql("select id from information_schema.processlist where db = 'lurge_test'").split():
        server.sql(f"kill {number}")


@pytest.mark.parametrize("where", ["INSERT INTO lustre_usage", "DELETE FROM directory", "volume_summary"])
def test_a_lost_connection(server: MariaDb, mariadb: Database, where: str) -> None:
    once_at(mariadb, where, lambda: kill_connections(server))
    store_volume(mariadb, named(size=20, subdirectory="new"))
    assert paths(mariadb, "scratch101") == NEW
    with mariadb.reading() as connection:
        assert connection.execute(sa.select(schema.lustre_usage.c.used)).scalars().all() == [20]


@pytest.mark.parametrize("where", ["INSERT INTO lustre_usage", "DELETE FROM file_size"])
def test_a_server_restarted_in_the_middle(server: MariaDb, mariadb: Database, where: str) -> None:
    def crash() -> None:
        server.kill()
        threading.Timer(1, server.start).start()

    once_at(mariadb, where, crash)
    store_volume(mariadb, named(size=20, subdirectory="new"))
    assert paths(mariadb, "scratch101") == NEW
    assert look_at(mariadb).problems == []


def test_a_server_that_stays_away(server: MariaDb, mariadb: Database, caplog: pytest.LogCaptureFixture) -> None:
    config = DatabaseConfig(server.url("lurge_test"), retry_seconds=4)
    before = contents(mariadb)
    mariadb.close()
    impatient = Database(config)
    once_at(impatient, "INSERT INTO lustre_usage", server.kill)
    started = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable, match="lurge_test") as caught:
            store_volume(impatient, named(size=20, subdirectory="new"))
        assert 2 < time.monotonic() - started < 10
        assert "runs and can be reached" in caught.value.advice
    finally:
        server.start()
    assert contents(mariadb) == before


def test_waits_grow(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    clock = 0.0

    def sleep(seconds: float) -> None:
        nonlocal clock
        waits.append(seconds)
        clock += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock)

    def fail() -> None:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        mariadb.retrying(fail)
    assert waits[:4] == [0.5, 1, 2, 4]
    assert max(waits) == 30
    assert sum(waits) <= 120

    def refuse() -> None:
        waits.clear()
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        mariadb.retrying(refuse)
    assert waits == []


def test_a_deadlock(mariadb: Database) -> None:
    """Another transaction, with more to take back, has what the swap wants, and wants what the swap has."""
    ready, ended = threading.Event(), threading.Event()

    def other() -> None:
        with mariadb.writing() as connection:
            for number in range(300):
                connection.execute(sa.insert(schema.pi).values(pi_name=f"other {number}"))
            connection.exec_driver_sql("select * from vault for update")
            ready.wait(30)
            connection.exec_driver_sql("select * from directory for update")
        ended.set()

    thread = threading.Thread(target=other)
    thread.start()
    once_at(mariadb, "DELETE FROM vault", lambda: (ready.set(), time.sleep(1)))
    store_volume(mariadb, named(size=20, subdirectory="new"))
    thread.join()
    assert ended.is_set()
    assert paths(mariadb, "scratch101") == NEW


def test_rows_that_somebody_locked(server: MariaDb, mariadb: Database) -> None:
    server.sql("set global innodb_lock_wait_timeout = 1")
    mariadb.close()
    released = threading.Event()

    def hold() -> None:
        with mariadb.writing() as connection:
            connection.exec_driver_sql("select * from directory for update")
            held.set()
            released.wait(30)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    threading.Timer(2.5, released.set).start()
    store_volume(mariadb, named(size=20, subdirectory="new"))
    thread.join()
    server.sql("set global innodb_lock_wait_timeout = 50")
    assert paths(mariadb, "scratch101") == NEW


def test_a_server_that_takes_no_files(server: MariaDb, mariadb: Database) -> None:
    many = named(size=20)
    row = next(iter(many.report.directories))
    rows = [row._replace(subdirectory=f"d\t\\\n'{number}") for number in range(3000)]
    report = replace(many.report, directories=Directories.of(rows))
    server.sql("set global local_infile = 0")
    try:
        store_volume(mariadb, replace(many, report=report))
        plain = contents(mariadb)["directory"]
        assert "twice as long" in look_at(mariadb).notes[0]
    finally:
        server.sql("set global local_infile = 1")
    store_volume(mariadb, replace(many, report=report))
    found = contents(mariadb)["directory"]
    assert len(found) == 3000
    assert {re.sub(r"^\(\d+", "", one) for one in found} == {re.sub(r"^\(\d+", "", one) for one in plain}


def test_a_row_that_the_server_would_change(mariadb: Database) -> None:
    from lurge.store.database.bulk import insert_rows

    rows = [(number, "x" * 300) for number in range(2000, 4000)]
    with pytest.raises(StoreError, match="truncated|too long"), mariadb.writing() as connection:
        insert_rows(connection, schema.user, ("user_id", "user_name"), rows)
    with mariadb.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.user)).scalar_one() == 1


def hold_lock(config: DatabaseConfig, taken: object, may_end: object) -> None:
    with sole_run(Database(config), USAGE, "report"):
        taken.set()  # type: ignore[attr-defined]
        may_end.wait(60)  # type: ignore[attr-defined]


def test_one_run_at_a_time(database: Database, database_config: DatabaseConfig) -> None:
    context = multiprocessing.get_context("spawn")
    taken, may_end = context.Event(), context.Event()
    first = context.Process(target=hold_lock, args=(database_config, taken, may_end))
    first.start()
    taken.wait(60)
    with pytest.raises(LockHeld, match=rf"report, process {first.pid} of \w+ on .* since \d{{4}}-\d\d-\d\d \d\d:\d\d"):
        sole_run(database, USAGE, "backfill").__enter__()
    may_end.set()
    first.join()
    with sole_run(database, USAGE, "backfill"):
        pass
    assert contents(database)["job_lock"] == []


def test_a_killed_run_holds_nothing(database: Database, database_config: DatabaseConfig) -> None:
    context = multiprocessing.get_context("spawn")
    taken, may_end = context.Event(), context.Event()
    first = context.Process(target=hold_lock, args=(database_config, taken, may_end))
    first.start()
    taken.wait(60)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    ends = time.monotonic() + 10
    while True:
        try:
            with sole_run(database, USAGE, "backfill"):
                break
        except LockHeld:
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_the_lock_after_a_restart(server: MariaDb, mariadb: Database) -> None:
    """A server that was started again has forgotten who held it."""
    with sole_run(mariadb, USAGE, "report") as lock:
        lock.confirm()
        server.kill()
        server.start()
        lock.confirm()
        other = Database(DatabaseConfig(server.url("lurge_test")))
        with pytest.raises(LockHeld):
            RunLock(other, USAGE).take("backfill")
        server.kill()
        server.start()
        thief = RunLock(other, USAGE)
        thief.take("backfill")
        with pytest.raises(LockHeld):
            lock.confirm()
        thief.release()
        other.close()


def test_a_lock_whose_connection_was_lost_on_the_way(mariadb: Database) -> None:
    """The server still holds the lock for a connection that this run cannot use any more."""
    lock = RunLock(mariadb, USAGE)
    lock.take("report")
    lock.announce()
    lost = lock._connection
    lock._connection = None
    lock.confirm()
    lock.confirm()
    lock.release()
    assert lost
    lost.invalidate()
    lost.close()
    with sole_run(mariadb, USAGE, "report"):
        pass


def test_who_does_not_have_the_lock_says_nothing_of_it(server: MariaDb, mariadb: Database) -> None:
    other = RunLock(Database(DatabaseConfig(server.url("lurge_test"))), USAGE)
    other.take("backfill")
    other.announce()
    with pytest.raises(LockHeld, match="backfill"):
        sole_run(mariadb, USAGE, "report").__enter__()
    second = RunLock(mariadb, USAGE)
    with pytest.raises(LockHeld, match="backfill"):
        second.confirm()
    second.release()
    with pytest.raises(LockHeld, match="backfill"):
        second.take("report")
    other.release()


def test_the_lock_is_confirmed_before_every_try(server: MariaDb, mariadb: Database) -> None:
    """The server starts again in the middle of a swap, and another run takes the lock: the swap is not done again."""
    others: list[RunLock] = []

    def crash() -> None:
        server.kill()
        server.start()
        others.append(RunLock(Database(DatabaseConfig(server.url("lurge_test"))), USAGE))
        others[0].take("backfill")

    with sole_run(mariadb, USAGE, "report") as lock:
        once_at(mariadb, "INSERT INTO lustre_usage", crash)
        with pytest.raises(LockHeld):
            store_volume(mariadb, named(size=20, subdirectory="new"), lock.confirm)
    assert paths(mariadb, "scratch101") == ["a0", "a1", "a2"]
    others[0].release()


def test_secrets_stay_secret(server: MariaDb, tmp_path: object) -> None:
    from lurge.config.settings import Secret

    config = DatabaseConfig(server.url("lurge_test").replace("root@", "nobody@"), Secret("hush-hush"))
    assert "hush" not in repr(config)
    with pytest.raises(StoreError, match="Access denied") as caught:
        upgrade(Database(config), USAGE)
    assert "hush" not in str(caught.value)


def test_the_commands(server: MariaDb, tmp_path: object) -> None:
    """`lurge db` on a server, from the environment's password to the exit status."""
    url = server.new_database("lurge_test")
    server.sql("create or replace user 'lurge'@'localhost' identified by 'pass word';"
               "grant all privileges on lurge_test.* to 'lurge'@'localhost'")  # fmt: skip
    folder = str(tmp_path)
    os.makedirs(f"{folder}/dumps")
    with open(f"{folder}/lurge.toml", "w") as file:
        file.write(
            f'[dumps]\ndirectory = "dumps"\nvolumes = ["x"]\n[database]\nurl = "{url.replace("root@", "lurge@")}"\n'
        )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LURGE_DB_PASSWORD": "pass word", "LURGE_CONFIG": f"{folder}/lurge.toml"}
        command = [sys.executable, "-m", "lurge", "db", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("check").returncode == 1
    assert "lurge db upgrade" in run("check").stdout
    done = run("upgrade")
    assert (done.returncode, done.stderr) == (0, "")
    assert "up to date" in done.stdout
    assert run("check", "--json").returncode == 0
