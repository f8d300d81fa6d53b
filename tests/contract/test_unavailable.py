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

from lurge.config.database import DatabaseConfig
from lurge.errors import LockHeld, StoreError, StoreUnavailable
from lurge.model.directories import Directories
from lurge.store.database import Database, postgresql
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.database.named_lock import ServerLock
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import contents, named, paths
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql

Server = MariaDb | PostgreSql
NEW = ["new0", "new1", "new2"]


@pytest.fixture
def served(running: Server) -> Iterator[Database]:
    """A database on each server with a state in it."""
    yield from stored(running)


@pytest.fixture
def mariadb(server: MariaDb) -> Iterator[Database]:
    """A database on MariaDB with a state in it."""
    yield from stored(server)


def stored(server: Server) -> Iterator[Database]:
    database = Database(DatabaseConfig(url=server.new_database("lurge_test")))
    upgrade(database, USAGE)
    store_volume(database, named())
    yield database
    database.close()


def once_at(database: Database, text: str, deed: Callable[[], object]) -> None:
    """Do something the first time that a statement holds `text`, before it is executed."""
    done = False

    def before(_: object, __: object, statement: str, *more: object) -> None:
        nonlocal done
        if re.search(text, statement) and not done:
            done = True
            deed()

    sa.event.listen(database.engine, "before_cursor_execute", before)


@pytest.mark.parametrize("where", [r"(INSERT INTO|COPY) lustre_usage", "DELETE FROM directory", "volume_summary"])
def test_a_swap_survives_a_lost_connection(running: Server, served: Database, where: str) -> None:
    once_at(served, where, lambda: running.kill_connections("lurge_test"))
    store_volume(served, named(size=20, subdirectory="new"))
    assert paths(served, "scratch101") == NEW
    with served.reading() as connection:
        assert connection.execute(sa.select(schema.lustre_usage.c.used)).scalars().all() == [20]


@pytest.mark.parametrize("where", [r"(INSERT INTO|COPY) lustre_usage", "DELETE FROM file_size"])
def test_a_swap_survives_a_restart_of_the_server(running: Server, served: Database, where: str) -> None:
    def crash() -> None:
        running.kill()
        threading.Timer(1, running.start).start()

    once_at(served, where, crash)
    store_volume(served, named(size=20, subdirectory="new"))
    assert paths(served, "scratch101") == NEW
    assert look_at(served).problems == []


def test_a_server_that_stays_away_fails_the_swap_in_time(
    running: Server, served: Database, caplog: pytest.LogCaptureFixture
) -> None:
    config = DatabaseConfig(url=running.url("lurge_test"), retry_seconds=4)
    before = contents(served)
    served.close()
    impatient = Database(config)
    once_at(impatient, r"(INSERT INTO|COPY) lustre_usage", running.kill)
    started = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable, match="lurge_test") as caught:
            store_volume(impatient, named(size=20, subdirectory="new"))
        assert 2 < time.monotonic() - started < DatabaseConfig.model_fields["retry_seconds"].default
        assert "runs and can be reached" in caught.value.advice
    finally:
        running.start()
    assert contents(served) == before


def test_a_host_that_does_not_resolve_is_waited_for_only_if_it_was_reached_before(
    running: Server, served: Database
) -> None:
    """It is an error at once, unless the server was reached before: then its name is right."""
    scheme = str(served.engine.url).partition(":")[0]
    unknown = Database(DatabaseConfig(url=f"{scheme}://me@nowhere.invalid/x", retry_seconds=60))

    def ask(database: Database) -> None:
        with database.reading():
            pass

    with pytest.raises(StoreError, match=r"nowhere\.invalid|resolve") as caught:
        unknown.retrying(lambda: ask(unknown))
    assert not isinstance(caught.value, StoreUnavailable)
    assert "database.url" in caught.value.advice
    ask(served)
    served.close()
    served.engine = unknown.engine
    with pytest.raises(StoreUnavailable):
        ask(served)


def test_waits_grow_up_to_a_limit_and_only_for_what_may_pass(served: Database, monkeypatch: pytest.MonkeyPatch) -> None:
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
        served.retrying(fail)
    assert waits[:4] == [0.5, 1, 2, 4]
    assert max(waits) == 30
    assert sum(waits) <= 120

    def refuse() -> None:
        waits.clear()
        raise StoreError("no")

    with pytest.raises(StoreError, match="no"):
        served.retrying(refuse)
    assert waits == []


def test_a_swap_survives_a_deadlock(served: Database) -> None:
    """Another transaction, with more to take back, has what the swap wants, and wants what the swap has."""
    ready, ended = threading.Event(), threading.Event()

    def other() -> None:
        with served.writing() as connection:
            for number in range(300):
                connection.execute(sa.insert(schema.pi).values(pi_name=f"other {number}"))
            connection.exec_driver_sql("select * from vault for update")
            ready.wait(30)
            connection.exec_driver_sql("select * from directory for update")
        ended.set()

    thread = threading.Thread(target=other)
    thread.start()
    once_at(served, "DELETE FROM vault", lambda: (ready.set(), time.sleep(2)))
    store_volume(served, named(size=20, subdirectory="new"))
    thread.join()
    assert ended.is_set()
    assert paths(served, "scratch101") == NEW


def test_a_swap_waits_for_rows_that_another_locked(
    running: Server, served: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(running, MariaDb):
        running.sql("set global innodb_lock_wait_timeout = 1")
    else:
        monkeypatch.setitem(postgresql.SESSION, "lock_timeout", "1s")
    served.close()
    released = threading.Event()

    def hold() -> None:
        with served.writing() as connection:
            connection.exec_driver_sql("select * from directory for update")
            held.set()
            released.wait(30)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    threading.Timer(2.5, released.set).start()
    store_volume(served, named(size=20, subdirectory="new"))
    thread.join()
    if isinstance(running, MariaDb):
        running.sql("set global innodb_lock_wait_timeout = 50")
    assert paths(served, "scratch101") == NEW


def test_a_server_that_takes_no_files_gets_the_same_rows(server: MariaDb, mariadb: Database) -> None:
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


def test_a_row_that_the_server_would_change_fails_the_insert(served: Database) -> None:
    from lurge.store.database.bulk import insert_rows

    rows = [(number, "x" * 300) for number in range(2000, 4000)]
    with pytest.raises(StoreError, match="truncated|too long"), served.writing() as connection:
        insert_rows(connection, schema.user, ("user_id", "user_name"), rows)
    with served.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.user)).scalar_one() == 1


def hold_lock(config: DatabaseConfig, taken: object, may_end: object) -> None:
    with sole_run(Database(config), USAGE, "report"):
        taken.set()  # type: ignore[attr-defined]
        may_end.wait(60)  # type: ignore[attr-defined]


def test_a_second_run_is_refused_and_told_who_holds_the_lock(
    database: Database, database_config: DatabaseConfig
) -> None:
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
    ends = time.monotonic() + 60
    while True:
        try:
            with sole_run(database, USAGE, "backfill"):
                break
        except LockHeld:
            assert time.monotonic() < ends
            time.sleep(0.1)


def test_a_lock_is_taken_again_after_a_restart_unless_another_took_it(running: Server, served: Database) -> None:
    """A server that was started again has forgotten who held it."""
    with sole_run(served, USAGE, "report") as lock:
        lock.confirm()
        running.kill()
        running.start()
        lock.confirm()
        other = Database(DatabaseConfig(url=running.url("lurge_test")))
        with pytest.raises(LockHeld):
            RunLock(other, USAGE).take("backfill")
        running.kill()
        running.start()
        thief = RunLock(other, USAGE)
        thief.take("backfill")
        with pytest.raises(LockHeld):
            lock.confirm()
        thief.release()
        other.close()


def test_a_lock_is_kept_when_its_connection_is_lost(served: Database) -> None:
    """The server still holds the lock for a connection that this run cannot use any more."""
    lock = RunLock(served, USAGE)
    lock.take("report")
    lock.announce()
    server_lock = lock._lock
    assert isinstance(server_lock, ServerLock)
    lost, server_lock._connection = server_lock._connection, None
    lock.confirm()
    lock.confirm()
    lock.release()
    assert lost
    lost.invalidate()
    lost.close()
    with sole_run(served, USAGE, "report"):
        pass


def test_a_released_lock_is_free_at_once(served: Database) -> None:
    """A server notices some time later that a connection is closed. The next job may come before that."""
    for _ in range(50):
        with served.engine.connect(), served.engine.connect():
            pass  # Both are in the pool now, so that the second job connects at once.
        for job in ("report", "backfill"):
            lock = RunLock(served, USAGE)
            lock.take(job)
            lock.release()


def test_who_does_not_have_the_lock_says_nothing_of_it(running: Server, served: Database) -> None:
    other = RunLock(Database(DatabaseConfig(url=running.url("lurge_test"))), USAGE)
    other.take("backfill")
    other.announce()
    with pytest.raises(LockHeld, match="backfill"):
        sole_run(served, USAGE, "report").__enter__()
    second = RunLock(served, USAGE)
    with pytest.raises(LockHeld, match="backfill"):
        second.confirm()
    second.release()
    with pytest.raises(LockHeld, match="backfill"):
        second.take("report")
    other.release()


def test_the_lock_is_confirmed_before_every_try(running: Server, served: Database) -> None:
    """The server starts again in the middle of a swap, and another run takes the lock: the swap is not done again."""
    others: list[RunLock] = []

    def crash() -> None:
        running.kill()
        running.start()
        others.append(RunLock(Database(DatabaseConfig(url=running.url("lurge_test"))), USAGE))
        others[0].take("backfill")

    with sole_run(served, USAGE, "report") as lock:
        once_at(served, r"(INSERT INTO|COPY) lustre_usage", crash)
        with pytest.raises(LockHeld):
            store_volume(served, named(size=20, subdirectory="new"), lock.confirm)
    assert paths(served, "scratch101") == ["a0", "a1", "a2"]
    others[0].release()


def test_secrets_stay_secret(running: Server, tmp_path: object) -> None:
    from lurge.config.secret import Secret

    url = running.new_database("lurge_test")
    running.add_user("right", "lurge_test")
    config = DatabaseConfig(url=url.replace(f"{running.superuser}@", "lurge@"), password=Secret("hush-hush"))
    assert "hush" not in repr(config)
    with pytest.raises(StoreError, match="Access denied|authentication failed") as caught:
        upgrade(Database(config), USAGE)
    assert "hush" not in str(caught.value)
    assert not isinstance(caught.value, StoreUnavailable)
    assert "LURGE_DB_PASSWORD" in caught.value.advice


def test_db_commands_take_the_password_from_the_environment(running: Server, tmp_path: object) -> None:
    """`lurge db` on a server, from the environment's password to the exit status."""
    url = running.new_database("lurge_test")
    running.add_user("pass word", "lurge_test")
    folder = str(tmp_path)
    url = url.replace(f"{running.superuser}@", "lurge@")
    os.makedirs(f"{folder}/dumps")
    with open(f"{folder}/lurge.toml", "w") as file:
        file.write(f'[dumps]\ndirectory = "dumps"\nvolumes = ["x"]\n[database]\nurl = "{url}"\n')

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
