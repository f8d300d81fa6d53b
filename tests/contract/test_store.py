"""The swap, on every kind of database: one whole state stands, whatever dies at whatever moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lurge.config.database import DatabaseConfig
from lurge.config.warnings import BUILT_IN_LEVELS
from lurge.enrich.forecast import forecast
from lurge.errors import ReconciliationError, StoreError
from lurge.model.directories import Directories, DirectoryUsage
from lurge.model.dump import Dump, Volume
from lurge.model.names import Group
from lurge.model.report import Counts, GroupUsage, Unattributed, UserUsage, VaultFile, VolumeReport
from lurge.store.database import Database
from lurge.store.database.area import revisions
from lurge.store.database.upgrade import migrate, upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.dates import stored_dates
from lurge.store.usage.read.newest import newest_reports
from lurge.store.usage.recover import recover
from lurge.store.usage.sums import larger_than_stored
from lurge.store.usage.swap import NamedReport, store_volume
from tests.processes import die_before

DAY = date(2024, 1, 31)


def named(name: str = "scratch101", size: int = 10, day: date = DAY, subdirectory: str = "a") -> NamedReport:
    """A report of one file of a size that is easily told."""
    return NamedReport(
        dump=Dump(Volume(name, f"/lustre/{name}"), Path("dump"), day, 0),
        report=VolumeReport(
            counts=Counts(2, 2, 1, 1, 0, size, 1),
            groups=[GroupUsage(10, "/p", size, 0, 1)],
            directories=Directories.of(
                DirectoryUsage(10, "/p", f"{subdirectory}{i}", size, 0, 1, (size,)) for i in range(3)
            ),
            users=[UserUsage(1, 10, size + 1, 0, 1)],
            unattributed=[Unattributed(10, 1, 1)],
            vault=[VaultFile("/p/x", "Keep", 1, 10, size, 0)],
            samples=[],
        ),
        groups={10: Group("ten", "PI")},
        users={1: "uno"},
        filetypes=["BAM"],
        forecast=partial(forecast, levels=BUILT_IN_LEVELS),
    )


def contents(database: Database) -> dict[str, list[str]]:
    """Every row of every table."""
    with database.reading() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(table)).all()))
            for table in schema.metadata.sorted_tables
        }


def paths(database: Database, name: str) -> list[str]:
    with database.reading() as connection:
        directory = schema.directory
        query = sa.select(directory.c.directory_path).join_from(directory, schema.base_directory).join(schema.volume)
        return sorted(connection.execute(query.where(schema.volume.c.scratch_disk == name)).scalars())


def tag(database: Database, name: str, pattern: str, times: int = 1) -> None:
    """Tag directories as the older tool does."""
    directory, base = schema.directory, schema.base_directory
    mine = sa.select(base.c.base_directory_id).join(schema.volume).where(schema.volume.c.scratch_disk == name)
    with database.writing() as connection:
        connection.execute(
            sa.update(directory)
            .where(directory.c.directory_path.like(pattern), directory.c.base_directory_id.in_(mine))
            .values(directory_path=sa.literal(".hgi.old." * times).concat(directory.c.directory_path))
        )


def test_migrations_make_the_schema(database: Database) -> None:
    def ours(one: sa.Column[int], name: str | None, kind: str, *_: object) -> bool:
        """Leave out how paths are made unique, and the indexes that MySQL makes for foreign keys."""
        if kind == "unique_constraint" and one.table.name == "base_directory":
            return False
        return not (name and ("path_hash" in name or (kind == "index" and name.startswith("fk_"))))

    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, schema.metadata) == []
    upgrade(database, USAGE)


def test_an_older_schema_is_brought_up_to_date(database_config: DatabaseConfig) -> None:
    """As the first version made it, with a volume in it; on MySQL also after an interruption in the middle."""
    older = Database(database_config)
    with older.writing() as connection:
        migrate(older, USAGE, connection, "0001")
    with older.writing() as connection:
        connection.execute(sa.insert(schema.volume).values(scratch_disk="scratch101"))
        if older.engine.dialect.name == "mysql":
            connection.exec_driver_sql("alter table lustre_usage add column quota_reached date")
    upgrade(older, USAGE)
    store_volume(older, named())
    assert paths(older, "scratch101") == ["a0", "a1", "a2"]
    with older.reading() as connection:
        assert revisions(connection, USAGE, ["alembic_version"]) == ("0007", "0007")
    with older.writing() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(StoreError, match="9999"):
        upgrade(older, USAGE)
    older.close()


def test_an_interrupted_first_upgrade_is_repeated_unless_tables_have_rows(database_config: DatabaseConfig) -> None:
    """Tables without their version, as MySQL leaves them."""
    database = Database(database_config)
    upgrade(database, USAGE)
    with database.writing() as connection:
        connection.exec_driver_sql("delete from alembic_version")
        connection.exec_driver_sql("drop table vault")
    upgrade(database, USAGE)
    store_volume(database, named())
    with database.writing() as connection:
        connection.exec_driver_sql("delete from alembic_version")
    with pytest.raises(StoreError, match="hold rows"):
        upgrade(database, USAGE)
    assert paths(database, "scratch101") == ["a0", "a1", "a2"]
    database.close()


def test_lookup_tables_have_their_fixed_rows(database: Database) -> None:
    with database.reading() as connection:
        assert sorted(connection.execute(sa.select(schema.warning)).all()) == [
            (1, "OK"),
            (2, "Kinda OK"),
            (3, "Not OK"),
        ]
        assert sorted(connection.execute(sa.select(schema.vault_actions)).all()) == [(1, "Keep"), (2, "Archive")]


def test_other_volumes_are_not_touched(database: Database) -> None:
    store_volume(database, named("scratch102", subdirectory="z"))
    store_volume(database, named())
    tag(database, "scratch102", "z0")
    store_volume(database, named(size=20, subdirectory="b", day=date(2024, 2, 1)))
    assert paths(database, "scratch101") == ["b0", "b1", "b2"]
    assert paths(database, "scratch102") == [".hgi.old.z0", "z1", "z2"]


def leave(database: Database, name: str, *names: str) -> None:
    """Add directories to those of a volume, as the older tool does."""
    directory, base = schema.directory, schema.base_directory
    mine = sa.select(base.c.base_directory_id).join(schema.volume).where(schema.volume.c.scratch_disk == name)
    with database.writing() as connection:
        key = connection.execute(mine).scalar_one()
        connection.execute(
            sa.insert(directory), [{"directory_path": one, "num_files": 1, "base_directory_id": key} for one in names]
        )


def test_leftovers_are_purged_beside_others_and_restored_alone(database: Database) -> None:
    store_volume(database, named())
    store_volume(database, named("scratch102"))
    leave(database, "scratch101", ".hgi.old.z0", ".hgi.old.z1")
    tag(database, "scratch102", "%")
    recover(database, "scratch101")
    assert paths(database, "scratch101") == ["a0", "a1", "a2"]
    assert paths(database, "scratch102") == [".hgi.old.a0", ".hgi.old.a1", ".hgi.old.a2"]
    recover(database, "scratch102")
    assert paths(database, "scratch102") == ["a0", "a1", "a2"]
    with database.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.file_size)).scalar_one() == 6
    recover(database, "scratch103")


@pytest.mark.parametrize("added", [[], ["b0"], ["b0", "b1", "b2", "b3"]])
def test_leftovers_are_restored_beside_rows_that_are_not_whole(database: Database, added: list[str]) -> None:
    """Rows half tagged; and some or more new rows than the report had that was stored last."""
    store_volume(database, named())
    tag(database, "scratch101", "%" if added else "a1")
    if added:
        leave(database, "scratch101", *added)
    recover(database, "scratch101")
    assert paths(database, "scratch101") == ["a0", "a1", "a2"]


def test_leftovers_of_a_database_without_reports_are_purged_beside_others(database: Database) -> None:
    store_volume(database, named())
    with database.writing() as connection:
        connection.execute(sa.delete(schema.volume_summary))
    tag(database, "scratch101", "a1")
    recover(database, "scratch101")
    assert paths(database, "scratch101") == ["a0", "a2"]


def test_a_directory_whose_name_looks_tagged_but_for_its_case_stays(database: Database) -> None:
    store_volume(database, named(subdirectory=".HGI.old."))
    recover(database, "scratch101")
    assert paths(database, "scratch101") == [".HGI.old.0", ".HGI.old.1", ".HGI.old.2"]


def test_a_directory_that_looks_tagged_stays(database: Database) -> None:
    store_volume(database, named(subdirectory=".hgi.old."))
    recover(database, "scratch101")
    store_volume(database, named(subdirectory=".hgi.old.", size=11))
    assert paths(database, "scratch101") == ["./.hgi.old.0", "./.hgi.old.1", "./.hgi.old.2"]
    store_volume(database, named(subdirectory=".HGI.OLD.", size=11))
    recover(database, "scratch101")
    assert paths(database, "scratch101") == [".HGI.OLD.0", ".HGI.OLD.1", ".HGI.OLD.2"]


def test_stored_dates_are_known_with_and_without_summaries(database: Database) -> None:
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


def test_times_beyond_the_calendar_are_stored_as_its_limits(database: Database) -> None:
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
    assert days == 2**31 - 1


@pytest.mark.parametrize("table", ["groups", "users", "unattributed"])
def test_what_is_stored_is_compared_with_what_was_counted(database: Database, table: str) -> None:
    store_volume(database, named())
    before = contents(database)
    wrong = named(size=20)
    wrong = replace(wrong, report=replace(wrong.report, **{table: []}))
    with pytest.raises(ReconciliationError, match="stored"):
        store_volume(database, wrong)
    assert contents(database) == before


def test_a_size_that_does_not_fit_is_capped_and_marked(database: Database) -> None:
    """Of two groups, users and so on only the rows that do not fit; and sums of rows that do fit are no problem."""
    huge, fits = named(size=2**64), 2**63 - 1
    report = replace(
        huge.report,
        counts=Counts(4, 4, 2, 2, 0, 2**64 + fits, 2**63),
        groups=[GroupUsage(10, "/p", 2**64, 0, 1), GroupUsage(11, "/p", fits, 0, 1)],
        users=[UserUsage(1, 10, 2**64 + 1, 0, 1), UserUsage(1, 11, fits, 0, 1), UserUsage(2, 11, fits, 0, 1)],
        unattributed=[Unattributed(10, 1, 1), Unattributed(11, fits, 1)],
        vault=[],
    )
    groups = {10: Group("ten", "PI"), 11: Group("eleven", None)}
    huge = replace(huge, report=report, groups=groups, users={1: "uno", 2: "due"})
    for day in (DAY, DAY + timedelta(1)):
        store_volume(database, replace(huge, dump=replace(huge.dump, record_date=day)))
    with database.reading() as connection:
        usage, users = schema.lustre_usage, schema.user_usage
        used = connection.execute(sa.select(usage.c.used, usage.c.capped).where(usage.c.record_date == DAY)).all()
        assert sorted(used) == [(fits, False), (fits, True)]
        sizes = connection.execute(sa.select(users.c.size, users.c.capped).where(users.c.record_date == DAY)).all()
        assert sorted(sizes) == [(fits, False), (fits, False), (fits, True)]
        directories = sa.select(schema.directory.c.size_bytes, schema.directory.c.capped)
        assert set(connection.execute(directories)) == {(fits, True)}
        assert set(connection.execute(sa.select(schema.volume_summary.c.capped)).scalars()) == {True}
        rows = list(newest_reports(connection, ["scratch101"]).quotas)
        assert [row.used for row in rows] == [fits, fits]
    said = larger_than_stored(huge)
    assert [line.split(": ")[1] for line in said] == [
        "group ten in /p", "user uno in group ten", *(f"group ten in /p, directory a{i}" for i in range(3)),
    ]  # fmt: skip
    assert "18446744073709551616 bytes" in said[0]


def sqlite(path: Path) -> Database:
    return Database(DatabaseConfig(url=f"sqlite:///{path}"))


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    for name in ("a?b", "a%20b", "a#b", "a b"):
        upgrade(sqlite(tmp_path / name / "lurge.db"), USAGE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b", "a#b", "a%20b", "a?b"]


def test_a_database_of_another_program_is_left_alone(database_config: DatabaseConfig) -> None:
    database = Database(database_config)
    with database.writing() as connection:
        connection.exec_driver_sql("create table pi (x integer)")
    with pytest.raises(StoreError, match="lurge did not make them"):
        upgrade(database, USAGE)
    with database.reading() as connection:
        assert sa.inspect(connection).get_table_names() == ["pi"]


def test_a_database_that_cannot_be_made_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database at all, but long enough to be seen as such" * 20)
    with pytest.raises(StoreError, match="file"):
        upgrade(sqlite(tmp_path / "file"), USAGE)
    with pytest.raises(StoreError, match="file"):
        upgrade(sqlite(tmp_path / "file" / "x" / "lurge.db"), USAGE)


def test_a_full_disk_leaves_the_old_rows(tmp_path: Path) -> None:
    database = sqlite(tmp_path / "lurge.db")
    upgrade(database, USAGE)
    store_volume(database, named())
    before = contents(database)
    report = named(size=20).report
    many = [row._replace(subdirectory=f"{row.subdirectory}{i}") for row in report.directories for i in range(9999)]

    def limit(connection: object, _: object) -> None:
        connection.execute("pragma max_page_count = 100")  # type: ignore[attr-defined]

    sa.event.listen(database.engine, "connect", limit)
    database.close()
    with pytest.raises(StoreError, match="full"):
        store_volume(database, replace(named(size=20), report=replace(report, directories=Directories.of(many))))
    assert contents(database) == before


def store_and_die(config: DatabaseConfig, statement: int) -> None:
    """Store a new state, and be killed before the given statement, or after the last."""
    database = Database(config)
    die_before(database, statement)
    store_volume(database, named(size=20, subdirectory="new", day=date(2024, 2, 1)))
    os._exit(0)


def test_a_swap_killed_at_any_statement_leaves_the_old_rows(
    database: Database, database_config: DatabaseConfig
) -> None:
    """At every third, where the server tells a dead client from a living one by itself."""
    store_volume(database, named("scratch102"))
    store_volume(database, named())
    database.close()
    old = contents(database)
    # Each process begins with what this module imports, and with nothing that this process has open.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for statement in range(1, 200, 1 if database.engine.dialect.name == "sqlite" else 3):
        process = context.Process(target=store_and_die, args=(database_config, statement))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert contents(database) == old
    assert statement > 20
    assert paths(database, "scratch101") == ["new0", "new1", "new2"]
    assert paths(database, "scratch102") == ["a0", "a1", "a2"]


WHOLE_STATE = """
    select d.directory_path, d.size_bytes, f.size_bytes, u.used, v.size from directory d
    left join file_size f on f.directory_id = d.directory_id
    join base_directory b on b.base_directory_id = d.base_directory_id
    left join lustre_usage u on u.base_directory_id = b.base_directory_id
    left join vault v on v.volume_id = b.volume_id
"""


def test_a_polling_reader_sees_old_or_new(database: Database) -> None:
    """A reader on a connection of its own asks again and again, in one statement, while states are swapped."""
    store_volume(database, named(size=10))
    stop = threading.Event()
    seen: list[list[tuple[object, ...]]] = []
    problems: list[BaseException] = []

    def poll() -> None:
        try:
            while not stop.is_set():
                with database.reading() as connection:
                    seen.append([tuple(row) for row in connection.exec_driver_sql(WHOLE_STATE)])
        except BaseException as error:
            problems.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    sizes = [*range(11, 41)]
    for size in sizes:
        store_volume(database, named(size=size, subdirectory=f"s{size}-"))
    stop.set()
    reader.join()
    assert problems == []
    states = {repr(sorted(rows, key=repr)) for rows in seen}
    whole = {
        repr(sorted([(f"{'a' if size == 10 else f's{size}-'}{i}", size, size, size, size) for i in range(3)], key=repr))
        for size in (10, *sizes)
    }
    assert states <= whole
    assert len(states) > 2


def test_a_reader_sees_the_old_rows_during_every_statement(database: Database, database_config: DatabaseConfig) -> None:
    store_volume(database, named())
    other = Database(database_config)
    seen = []

    def look(*_: object) -> None:
        seen.append(paths(other, "scratch101"))

    sa.event.listen(database.engine, "after_cursor_execute", look)
    store_volume(database, named(size=20, subdirectory="new"))
    sa.event.remove(database.engine, "after_cursor_execute", look)
    other.close()
    assert len(seen) > 10
    assert all(state == ["a0", "a1", "a2"] for state in seen)
    assert paths(database, "scratch101") == ["new0", "new1", "new2"]


def test_of_rows_tagged_several_times_the_oldest_whole_state_is_restored(database: Database) -> None:
    """The rows that were tagged most often are the older, whole state."""
    store_volume(database, named())
    tag(database, "scratch101", "a0")
    tag(database, "scratch101", "a%", times=2)
    recover(database, "scratch101")
    assert paths(database, "scratch101") == ["a1", "a2"]


def test_names_that_differ_in_little_are_different_names(database: Database) -> None:
    """By a space at the end, by case, by an accent, by the last of 255 characters; and paths of one base directory."""
    names = ["a", "a ", "a  ", "A", "\u00e1", "y" * 254 + "z", "y" * 255, " a"]
    gids = range(10, 10 + len(names))
    plain = named()
    report = replace(
        plain.report,
        counts=Counts(8, 8, 8, 0, 0, 80, 0),
        groups=[GroupUsage(gid, base, 5, 0, 1) for gid in gids for base in ("/p", "/p ")],
        users=[UserUsage(gid, gid, 10, 0, 1) for gid in gids],
        unattributed=[],
    )
    groups = {gid: Group(name, name) for gid, name in zip(gids, names, strict=True)}
    users = dict(zip(gids, names, strict=True))
    store_volume(database, replace(plain, report=replace(report, vault=[]), groups=groups, users=users))
    with database.reading() as connection:
        for table in (schema.unix_group, schema.user, schema.pi):
            assert sorted(connection.execute(sa.select(table.c[1])).scalars()) == sorted(names)
        quotas = [(row.group, row.used) for row in newest_reports(connection, ["scratch101"]).quotas]
        assert sorted(quotas) == sorted((name, 10) for name in names)
