"""The swap: one whole state stands, whatever dies at whatever moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lurge.errors import ReconciliationError, StoreError, VolumeError
from lurge.model.dump import Dump, Volume
from lurge.model.names import Group
from lurge.model.report import Counts, DirectoryUsage, GroupUsage, Unattributed, UserUsage, VaultFile, VolumeReport
from lurge.store import schema
from lurge.store.database import Database
from lurge.store.swap import NamedReport, recover, store_volume, stored_dates

DAY = date(2024, 1, 31)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/lurge.db")
    database.upgrade()
    return database


def named(name: str = "scratch101", size: int = 10, day: date = DAY, subdirectory: str = "a") -> NamedReport:
    """A report of one file of a size that is easily told."""
    return NamedReport(
        dump=Dump(Volume(name, f"/lustre/{name}"), Path("dump"), day, 0),
        report=VolumeReport(
            counts=Counts(2, 2, 1, 1, 0, size, 1),
            groups=[GroupUsage(10, "/p", size, 0, 1)],
            directories=[DirectoryUsage(10, "/p", f"{subdirectory}{i}", size, 0, 1, (size,)) for i in range(3)],
            users=[UserUsage(1, 10, size + 1, 0, 1)],
            unattributed=[Unattributed(10, 1, 1)],
            vault=[VaultFile("/p/x", "Keep", 1, 10, size, 0)],
            samples=[],
        ),
        groups={10: Group("ten", "PI")},
        users={1: "uno"},
        filetypes=["BAM"],
    )


def dump_sql(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def paths(database: Database, name: str) -> list[str]:
    with database.reading() as connection:
        directory = schema.directory
        query = sa.select(directory.c.directory_path).join_from(directory, schema.base_directory).join(schema.volume)
        return sorted(connection.execute(query.where(schema.volume.c.scratch_disk == name)).scalars())


def tag(database: Database, name: str, pattern: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(
            "update directory set directory_path = '.hgi.old.' || directory_path where directory_path like ? and"
            " base_directory_id in (select base_directory_id from base_directory join volume using (volume_id)"
            " where scratch_disk = ?)",
            (pattern, name),
        )


def test_migrations_make_the_schema(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    database.upgrade()


def test_fixed_rows(database: Database) -> None:
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.warning)).all() == [(1, "OK"), (2, "Kinda OK"), (3, "Not OK")]
        assert connection.execute(sa.select(schema.vault_actions)).all() == [(1, "Keep"), (2, "Archive")]


def test_other_volumes_are_not_touched(database: Database) -> None:
    store_volume(database, named("scratch102", subdirectory="z"))
    store_volume(database, named())
    tag(database, "scratch102", "z0")
    store_volume(database, named(size=20, subdirectory="b", day=date(2024, 2, 1)))
    assert paths(database, "scratch101") == ["b0", "b1", "b2"]
    assert paths(database, "scratch102") == [".hgi.old.z0", "z1", "z2"]


def test_leftovers_are_purged_beside_others_and_restored_alone(database: Database) -> None:
    store_volume(database, named())
    store_volume(database, named("scratch102"))
    tag(database, "scratch101", "a0")
    tag(database, "scratch102", "%")
    recover(database, "scratch101")
    assert paths(database, "scratch101") == ["a1", "a2"]
    assert paths(database, "scratch102") == [".hgi.old.a0", ".hgi.old.a1", ".hgi.old.a2"]
    recover(database, "scratch102")
    assert paths(database, "scratch102") == ["a0", "a1", "a2"]
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.file_size)).scalar_one() == 5
    recover(database, "scratch103")


def test_a_directory_that_looks_tagged_stays(database: Database) -> None:
    store_volume(database, named(subdirectory=".hgi.old."))
    recover(database, "scratch101")
    store_volume(database, named(subdirectory=".hgi.old.", size=11))
    assert paths(database, "scratch101") == ["./.hgi.old.0", "./.hgi.old.1", "./.hgi.old.2"]
    store_volume(database, named(subdirectory=".HGI.OLD.", size=11))
    recover(database, "scratch101")
    assert paths(database, "scratch101") == [".HGI.OLD.0", ".HGI.OLD.1", ".HGI.OLD.2"]


def test_dates(database: Database) -> None:
    store_volume(database, named())
    store_volume(database, named(day=date(2024, 2, 1)))
    with database.reading() as connection:
        assert stored_dates(connection, "scratch101") == {DAY, date(2024, 2, 1)}
        assert stored_dates(connection, "scratch102") == set()
        connection.execute(sa.text("select 1"))
    with database.writing() as connection:
        connection.execute(sa.delete(schema.volume_summary))
    with database.reading() as connection:
        assert stored_dates(connection, "scratch101") == {DAY, date(2024, 2, 1)}


def test_times_that_no_calendar_holds(database: Database) -> None:
    report = named().report
    old = -(2**63)
    wild = replace(
        report,
        groups=[row._replace(newest=old) for row in report.groups],
        users=[row._replace(newest=old) for row in report.users],
        vault=[row._replace(mtime=old) for row in report.vault],
    )
    store_volume(database, replace(named(), report=wild))
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.user_usage.c.last_modified)).scalar_one() == date(1, 1, 1)
        days = connection.execute(sa.select(schema.lustre_usage.c.last_modified)).scalar_one()
    assert days == (1706745599 + 2**63) // 86400


@pytest.mark.parametrize("table", ["groups", "users", "unattributed"])
def test_what_is_stored_is_compared_with_what_was_counted(database: Database, tmp_path: Path, table: str) -> None:
    store_volume(database, named())
    before = dump_sql(tmp_path / "lurge.db")
    wrong = named(size=20)
    wrong = replace(wrong, report=replace(wrong.report, **{table: []}))
    with pytest.raises(ReconciliationError, match="stored"):
        store_volume(database, wrong)
    assert dump_sql(tmp_path / "lurge.db") == before


def test_a_sum_that_does_not_fit_is_refused(database: Database) -> None:
    with pytest.raises(VolumeError, match="8 EiB"):
        store_volume(database, named(size=2**63))


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("a?b", "a%20b", "a#b", "a b"):
        Database(f"sqlite:///{tmp_path}/{name}/lurge.db").upgrade()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b", "a#b", "a%20b", "a?b"]


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("create table pi (x)")
    connection.close()
    with pytest.raises(StoreError, match="lurge did not make them"):
        Database(f"sqlite:///{tmp_path}/other.db").upgrade()


def test_a_database_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database at all, but long enough to be seen as such" * 20)
    with pytest.raises(StoreError, match="file"):
        Database(f"sqlite:///{tmp_path}/file").upgrade()
    with pytest.raises(StoreError, match="file"):
        Database(f"sqlite:///{tmp_path}/file/x/lurge.db")


def test_a_full_disk(database: Database, tmp_path: Path) -> None:
    store_volume(database, named())
    before = dump_sql(tmp_path / "lurge.db")
    report = named(size=20).report
    many = [row._replace(subdirectory=f"{row.subdirectory}{i}") for row in report.directories for i in range(9999)]

    def limit(connection: object, _: object) -> None:
        connection.execute("pragma max_page_count = 100")  # type: ignore[attr-defined]

    sa.event.listen(database._engine, "connect", limit)
    database.close()
    with pytest.raises(StoreError, match="full"):
        store_volume(database, replace(named(size=20), report=replace(report, directories=many)))
    assert dump_sql(tmp_path / "lurge.db") == before


def store_and_die(url: str, statement: int) -> None:
    """Store a new state, and be killed before the given statement, or after the last."""
    database = Database(url)
    count = 0

    def before(*_: object) -> None:
        nonlocal count
        count += 1
        if count == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(database._engine, "before_cursor_execute", before)
    sa.event.listen(database._engine, "commit", before)
    store_volume(database, named(size=20, subdirectory="new", day=date(2024, 2, 1)))
    os._exit(0)


def test_killed_at_every_statement(database: Database, tmp_path: Path) -> None:
    store_volume(database, named("scratch102"))
    store_volume(database, named())
    database.close()
    path = tmp_path / "lurge.db"
    old = dump_sql(path)
    context = multiprocessing.get_context("spawn")
    for statement in range(1, 200):
        process = context.Process(target=store_and_die, args=(f"sqlite:///{path}", statement))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert dump_sql(path) == old
    assert statement > 20
    assert paths(database, "scratch101") == ["new0", "new1", "new2"]
    assert paths(database, "scratch102") == ["a0", "a1", "a2"]


def test_a_reader_sees_one_state(database: Database) -> None:
    """While the swap runs, another connection sees the old rows."""
    store_volume(database, named())
    seen = []

    def look(*_: object) -> None:
        other = sqlite3.connect(database.url.database or "")
        seen.append(sorted(other.execute("select directory_path from directory").fetchall()))
        other.close()

    sa.event.listen(database._engine, "after_cursor_execute", look)
    store_volume(database, named(size=20, subdirectory="new"))
    sa.event.remove(database._engine, "after_cursor_execute", look)
    old = [("a0",), ("a1",), ("a2",)]
    assert len(seen) > 10
    assert all(state == old for state in seen)
    assert paths(database, "scratch101") == ["new0", "new1", "new2"]
