"""Adopting the older tool's database: not a row is lost, whatever is odd about it, and whenever it is interrupted."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError
from lurge.store.database import Database, upgrade
from lurge.store.usage import adopt, schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from lurge.store.usage.read.dates import stored_dates
from lurge.store.usage.recover import recover
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import named
from tests.services import old_tool as old

D1, D2 = date(2024, 1, 1), date(2024, 1, 8)

ODD = {
    old.pi: [(1, "Ten"), (2, ""), (3, "Ten")],
    old.unix_group: [(1, "ten"), (2, "eleven"), (3, "ten"), (4, "Ten"), (5, None), (6, "ten")],
    old.volume: [(3, "scratch101"), (4, "scratch102"), (5, "scratch101")],
    old.user: [(1, "uno"), (2, ""), (7, "uno")],
    old.base_directory: [
        (1, "/lustre/scratch101/a", 3),
        (2, "/lustre/scratch101/a", 5),
        (3, "/lustre/scratch102/b", 4),
        (4, "/lustre/scratch101/a", 4),
        (5, "", 3),
    ],
    old.lustre_usage: [
        (1, 100, 1000, D1, 5, 1, 1, 1, 1),
        (2, 200, 1000, D1, 5, 3, 3, 2, 2),
        (3, 300, None, D2, 6, 2, 6, 3, 1),
        (4, 300, None, D2, 6, 2, 6, 3, 1),
        (5, 7, 0, D2, None, None, None, 1, 3),
        (6, 8, 0, D1, 1, 1, 2, 1, None),
        (7, None, None, None, None, None, None, None, None),
        (8, 9, 0, D1, 1, 1, 4, 1, 4),
        (9, 2**40, 2**41, D1, 1, 1, 5, 1, 5),
    ],
    old.directory: [
        (1, "users", 4, 2, 5, 1, 1, 1),
        (2, ".hgi.old.users", 4, 2, 5, 3, 3, 2),
        (3, ".hgi.old.x", 1, 0, 5, 1, 3, 3),
        (4, None, 1, 0, 5, 1, 3, None),
        (5, ".hgi.old..hgi.old.y", 1, 0, 5, 1, 3, None),
    ],
    old.file_size: [(1, 1, 1, 1.5), (2, 2, 1, 0.5), (3, 3, 4, 0.25)],
    old.user_usage: [
        (1, D1, 1, 1, 3, 10, D1),
        (2, D1, 7, 3, 5, 20, D1),
        (3, D1, 2, None, 4, 30, None),
        (4, D1, 2, None, 4, 30, None),
    ],
    old.vault: [(1, D1, "/x", 1, 1, 5, D1, 3, 1), (2, D1, "/y", None, 2, None, None, 5, None)],
}  # fmt: skip


@pytest.fixture
def adopted(database_config: DatabaseConfig) -> Database:
    """The older tool's database, not adopted yet."""
    database = Database(database_config)
    old.make_tables(database)
    with database.writing() as connection:
        old.insert(connection, ODD)
    return database


def facts(database: Database, tables: object) -> dict[str, Counter[tuple[object, ...]]]:
    """Every row of every table that is not a lookup, with names for keys; a PI's empty name is none."""

    def name_of(column: sa.Column[int], names: sa.Table) -> sa.ScalarSelect[str]:
        key, name = list(names.c)[:2]
        return sa.select(sa.func.nullif(name, "")).where(key == column).scalar_subquery()

    found = {}
    with database.reading() as connection:
        base = tables.base_directory  # type: ignore[attr-defined]
        place = {
            row[0]: tuple(row[1:])
            for row in connection.execute(
                sa.select(base.c.base_directory_id, base.c.directory_path, name_of(base.c.volume_id, tables.volume))  # type: ignore[attr-defined]
            )
        }
        paths = {None: None}
        directories = tables.directory  # type: ignore[attr-defined]
        for number, path in connection.execute(sa.select(directories.c.directory_id, directories.c.directory_path)):
            paths[number] = path
        for name in ("lustre_usage", "directory", "file_size", "user_usage", "vault"):
            table, shape = getattr(tables, name), getattr(old, name)
            columns = []
            for one in list(shape.c)[1:]:
                target = next((key.column.table.name for key in one.foreign_keys), None)
                column = table.c[one.name]
                is_name = target not in (None, "base_directory", "directory")
                columns.append(name_of(column, getattr(tables, target)) if is_name else column)
            kinds = [next((key.column.table.name for key in one.foreign_keys), None) for one in list(shape.c)[1:]]
            found[name] = Counter(
                tuple(
                    place.get(value) if kind == "base_directory" else paths[value] if kind == "directory" else value
                    for value, kind in zip(row, kinds, strict=True)
                )
                for row in connection.execute(sa.select(*columns))
            )
    return found


def expected(database: Database) -> dict[str, Counter[tuple[object, ...]]]:
    """The facts before: a group without a name keeps its key as one."""
    before = facts(database, old)
    nameless = (2**40, 2**41, D1, 1, "Ten", None, "OK", ("", "scratch101"))
    assert before["lustre_usage"].pop(nameless) == 1
    before["lustre_usage"][(*nameless[:5], "unknown 5", *nameless[6:])] = 1
    return before


def test_no_row_is_lost(adopted: Database) -> None:
    before = expected(adopted)
    assert not look_at(adopted).problems[0].startswith("an adoption")
    upgrade.upgrade(adopted, USAGE)
    assert facts(adopted, schema) == before
    found = look_at(adopted)
    assert found.problems == []
    assert found.notes[0].startswith("3 directories are tagged")
    assert found.rows["lustre_usage"] == 9
    with adopted.reading() as connection:
        names = connection.execute(sa.select(schema.unix_group.c.group_name)).scalars().all()
        assert sorted(names) == ["Ten", "eleven", "ten", "unknown 5"]
        assert sorted(connection.execute(sa.select(schema.pi.c.pi_name)).scalars()) == ["Ten"]
        kept = connection.execute(
            sa.select(schema.unix_group.c.group_id).where(schema.unix_group.c.group_name == "ten")
        )
        assert kept.scalar_one() == 1
        assert not [name for name in sa.inspect(connection).get_table_names() if name.startswith(("adopted", "older"))]
        paths = connection.execute(sa.select(sa.func.count()).select_from(schema.base_directory)).scalar_one()
        assert paths == 4
    upgrade.upgrade(adopted, USAGE)
    assert facts(adopted, schema) == before


def test_an_adopted_database_takes_new_reports(adopted: Database) -> None:
    """Leftovers are mended, and new reports are stored beside the old history."""
    upgrade.upgrade(adopted, USAGE)
    recover(adopted, "scratch101")
    recover(adopted, "scratch102")
    with adopted.reading() as connection:
        found = connection.execute(sa.select(schema.directory.c.directory_path)).scalars().all()
    assert sorted(found, key=str) == [".hgi.old..hgi.old.y", None, "users", "x"]
    store_volume(adopted, named(size=50))
    with adopted.reading() as connection:
        used = connection.execute(sa.select(schema.lustre_usage.c.used)).scalars().all()
    assert sorted(used, key=str) == [100, 2**40, 200, 300, 300, 50, 7, 8, 9, None]


@pytest.mark.parametrize("when", ["migrate", "bring_over", "copy_rows", "clear_away"])
def test_an_interrupted_adoption_goes_on(adopted: Database, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    before = expected(adopted)
    owner = upgrade if when == "migrate" else adopt

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, when, die)
        with pytest.raises(KeyboardInterrupt):
            upgrade.upgrade(adopted, USAGE)
    if when != "migrate" or adopted.engine.dialect.name == "mysql":
        assert "interrupted" in look_at(adopted).problems[0]
    upgrade.upgrade(adopted, USAGE)
    assert facts(adopted, schema) == before
    assert look_at(adopted).problems == []


def test_columns_of_others_are_kept(adopted: Database) -> None:
    with adopted.writing() as connection:
        connection.exec_driver_sql("alter table lustre_usage add column archived integer")
        connection.exec_driver_sql("update lustre_usage set archived = 1")
    upgrade.upgrade(adopted, USAGE)
    with adopted.reading() as connection:
        assert connection.exec_driver_sql("select sum(archived) from older_lustre_usage").scalar() == 9
    upgrade.upgrade(adopted, USAGE)


def test_tables_of_others_are_left_alone(adopted: Database) -> None:
    """Also those whose names look as if they were set aside, before and after an adoption."""
    with adopted.writing() as connection:
        connection.exec_driver_sql("create table adopted_samples (x integer)")
        connection.exec_driver_sql("insert into adopted_samples values (5)")
    for _ in range(2):
        upgrade.upgrade(adopted, USAGE)
        with adopted.reading() as connection:
            assert connection.exec_driver_sql("select x from adopted_samples").scalar() == 5
    with adopted.writing() as connection:
        connection.exec_driver_sql("create table adopted_vault (record_id integer, record_date date)")
        connection.exec_driver_sql("insert into adopted_vault values (1, null), (2, null), (3, null)")
    with pytest.raises(StoreError, match=r"vault has 2 rows, but adopted_vault.* has 3"):
        upgrade.upgrade(adopted, USAGE)
    with adopted.reading() as connection:
        assert connection.exec_driver_sql("select count(*) from adopted_vault").scalar() == 3


def test_rows_that_refer_to_missing_rows_are_kept_with_made_up_names(database_config: DatabaseConfig) -> None:
    """As tables without foreign keys have them."""
    database = Database(database_config)
    old.make_tables(database)
    with database.writing() as connection:
        if database.engine.dialect.name == "mysql":
            connection.exec_driver_sql("set foreign_key_checks = 0")
        if database.engine.dialect.name == "postgresql":
            connection.exec_driver_sql("set session_replication_role = replica")
        old.insert(connection, {old.lustre_usage: [(1, 5, 0, D1, 1, 77, 88, 1, 99)]})
    upgrade.upgrade(database, USAGE)
    assert look_at(database).problems == []
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.unix_group)).all() == [(88, "unknown 88")]
        row = connection.execute(sa.select(schema.lustre_usage.c["used", "pi_id", "unix_id"])).one()
    assert row[0] == 5


def test_rows_without_a_date_do_not_count_as_stored_dates(adopted: Database) -> None:
    """The older tool's columns may all be NULL."""
    upgrade.upgrade(adopted, USAGE)
    with adopted.writing() as connection:
        for table in (schema.lustre_usage, schema.user_usage, schema.vault):
            connection.execute(sa.update(table).values(record_date=None))
    with adopted.reading() as connection:
        assert stored_dates(connection, "scratch101") == set()
    store_volume(adopted, named())
    assert look_at(adopted).problems == []
