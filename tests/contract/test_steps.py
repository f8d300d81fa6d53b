"""The swap in steps: killed at every statement, with transactions and without, one whole state stands."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import ReconciliationError, StoreError
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema, steps
from lurge.store.usage.area import USAGE
from lurge.store.usage.read.check import look_at
from lurge.store.usage.read.swaps import OLD, SWAPPED
from lurge.store.usage.recover import recover
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import DAY, named, paths, tag
from tests.processes import die_before
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql

VOLUME = "scratch101"
WITHOUT_TRANSACTIONS = (*SWAPPED, schema.unfinished_swap)


def give_up_transactions(database: Database) -> None:
    """Make the tables MyISAM, which knows neither transactions nor foreign keys."""
    with database.writing() as connection:
        for table in WITHOUT_TRANSACTIONS:
            for key in sa.inspect(connection).get_foreign_keys(table.name):
                connection.exec_driver_sql(f"alter table {table.name} drop foreign key {key['name']}")
        for table in WITHOUT_TRANSACTIONS:
            connection.exec_driver_sql(f"alter table {table.name} engine = MyISAM")


@pytest.fixture(params=["sqlite", "postgresql", "innodb", "myisam"])
def stepping(request: pytest.FixtureRequest) -> Iterator[tuple[Database, DatabaseConfig]]:
    """A database that is swapped in steps; MyISAM need not be told."""
    if request.param == "sqlite":
        config = DatabaseConfig(url=f"sqlite:///{request.getfixturevalue('tmp_path')}/lurge.db", swap="tagged")
    else:
        server: MariaDb | PostgreSql = request.getfixturevalue(
            "postgres" if request.param == "postgresql" else "server"
        )
        config = DatabaseConfig(url=server.new_database("steps"), swap="tagged")
    database = Database(config)
    upgrade(database, USAGE)
    if request.param == "myisam":
        give_up_transactions(database)
        database.close()
        config = config.model_copy(update={"swap": "transaction"})
        database = Database(config)
    yield database, config
    database.close()


def state(database: Database, name: str = VOLUME) -> dict[str, object]:
    """The rows of a volume that a swap replaces, in short."""
    usage, base = schema.lustre_usage, schema.base_directory
    found: dict[str, object] = {"directories": paths(database, name)}
    with database.reading() as connection:
        volume = sa.select(schema.volume.c.volume_id).where(schema.volume.c.scratch_disk == name).scalar_subquery()
        groups = sa.select(usage.c.record_date, usage.c.used, usage.c.warning_id).join(base)
        found["groups"] = sorted(map(tuple, connection.execute(groups.where(base.c.volume_id == volume))))
        for table, value in (
            (schema.user_usage, "size"),
            (schema.vault, "size"),
            (schema.unattributed_usage, "used"),
            (schema.volume_summary, "attributed_bytes"),
            (schema.directory_totals, "size"),
        ):
            rows = sa.select(table.c.record_date, table.c[value]).where(table.c.volume_id == volume)
            found[table.name] = sorted(map(tuple, connection.execute(rows)))
        sizes = sa.select(schema.file_size.c.size_bytes).join(
            schema.directory, schema.directory.c.directory_id == schema.file_size.c.directory_id
        )
        found["file sizes"] = sorted(
            connection.execute(sizes.join(base).where(base.c.volume_id == volume)).scalars().all()
        )
        found["unfinished"] = connection.execute(
            sa.select(sa.func.count()).select_from(schema.unfinished_swap)
        ).scalar_one()
    return found


def die(config: DatabaseConfig, at: int, size: int, subdirectory: str, day: date) -> None:
    """Store a new state, and be killed before the given statement or commit."""
    database = Database(config)
    die_before(database, at)
    store_volume(database, named(size=size, subdirectory=subdirectory, day=day))
    os._exit(0)


@pytest.mark.parametrize("days", [0, 1])
def test_a_swap_killed_at_any_statement_is_taken_back_or_finished(
    stepping: tuple[Database, DatabaseConfig], monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """The same date again, or the next; after recovery everything is old, or everything is new."""
    monkeypatch.setattr(steps, "ROWS_A_STEP", 2)
    monkeypatch.setattr("lurge.store.usage.swap.ROWS_A_STEP", 2)
    database, config = stepping
    store_volume(database, named("scratch102"))
    store_volume(database, named(subdirectory="n0-"))
    other = state(database, "scratch102")
    context = multiprocessing.get_context("fork")
    day, finished, went_on = DAY, 0, 0
    for at in count(1, 3 if database.engine.dialect.name == "sqlite" else 1):
        old = state(database)
        day += timedelta(days)
        names = (old["directories"], [f"n{at}-{i}" for i in range(3)])
        database.close()
        process = context.Process(target=die, args=(config, at, 20 + at, f"n{at}-", day))
        process.start()
        process.join()
        standing = {path.removeprefix(OLD) for path in paths(database, VOLUME)}
        assert any(standing >= set(whole) for whole in names)  # type: ignore[call-overload]
        recover(database, VOLUME)
        found = state(database)
        assert found["unfinished"] == 0
        if found != old:
            went_on += 1
            assert found["directories"] == names[1]
            assert found["file sizes"] == [20 + at] * 3
            assert found["directory_totals"] == [(day, 60 + 3 * at)] * 2
            rows = {"groups": (20 + at, 1), "user_usage": (21 + at,), "vault": (20 + at,), "unattributed_usage": (1,)}
            for table, row in rows.items():
                assert [one for one in found[table] if one[0] == day] == [(day, *row)]  # type: ignore[attr-defined]
                assert [one for one in found[table] if one[0] != day] == [  # type: ignore[attr-defined]
                    one
                    for one in old[table]
                    if one[0] != day  # type: ignore[attr-defined]
                ]
        else:
            day -= timedelta(days)
        assert state(database, "scratch102") == other
        if process.exitcode == 0:
            finished = at
            break
        assert process.exitcode == -signal.SIGKILL
    assert finished > 50
    assert went_on > 5


def test_what_does_not_add_up_is_taken_back(stepping: tuple[Database, DatabaseConfig]) -> None:
    database, _ = stepping
    store_volume(database, named())
    before = state(database)
    wrong = named(size=20, subdirectory="wrong")
    for table in ("groups", "users", "unattributed"):
        with pytest.raises(ReconciliationError, match="stored"):
            store_volume(database, replace(wrong, report=replace(wrong.report, **{table: []})))
        assert state(database) == before


def test_what_the_database_refuses_is_taken_back(stepping: tuple[Database, DatabaseConfig]) -> None:
    database, _ = stepping
    store_volume(database, named())
    before = state(database)
    with database.writing() as connection:
        connection.exec_driver_sql("alter table vault rename to elsewhere")
    with pytest.raises(StoreError, match="vault"):
        store_volume(database, named(size=20, subdirectory="wrong"))
    with database.writing() as connection:
        connection.exec_driver_sql("alter table elsewhere rename to vault")
    recover(database, VOLUME)
    assert state(database) == before


def test_old_rows_are_tagged_while_new_ones_come(stepping: tuple[Database, DatabaseConfig]) -> None:
    """A viewer that filters tagged rows sees new rows, or old ones while there are no new; nothing of both."""
    database, config = stepping
    store_volume(database, named())
    other, seen = Database(config), []

    def look(_: object) -> None:
        seen.append(paths(other, VOLUME))

    sa.event.listen(database.engine, "commit", look)
    store_volume(database, named(size=20, subdirectory="new"))
    sa.event.remove(database.engine, "commit", look)
    other.close()
    both = [one for one in seen if any(path.startswith("new") for path in one) and len(one) > 3]
    assert both
    assert all(path.startswith(("new", OLD)) for one in both for path in one)


def test_an_older_dump_leaves_directories_alone(stepping: tuple[Database, DatabaseConfig]) -> None:
    database, _ = stepping
    store_volume(database, named())
    store_volume(database, named(size=5, subdirectory="older", day=DAY - timedelta(1)))
    assert paths(database, VOLUME) == ["a0", "a1", "a2"]
    assert [row[1] for row in state(database)["groups"]] == [5, 10]  # type: ignore[attr-defined]


def test_leftovers_of_the_older_tool_go_first(stepping: tuple[Database, DatabaseConfig]) -> None:
    database, _ = stepping
    store_volume(database, named())
    tag(database, VOLUME, "%")
    recover(database, VOLUME)
    assert paths(database, VOLUME) == ["a0", "a1", "a2"]


def test_it_is_said_why_rows_are_swapped_in_steps(
    stepping: tuple[Database, DatabaseConfig], caplog: pytest.LogCaptureFixture
) -> None:
    database, config = stepping
    with caplog.at_level("INFO"):
        store_volume(database, named())
    if config.swap == "tagged":
        assert "database.swap is tagged" in caplog.text
        return
    assert "without transactions: directory (MyISAM)" in caplog.text
    assert any("MyISAM" in note for note in look_at(database).notes)


def test_a_large_volume_goes_in_many_steps(stepping: tuple[Database, DatabaseConfig]) -> None:
    database, _ = stepping
    commits = count()
    sa.event.listen(database.engine, "commit", lambda *_: next(commits))
    report = named().report
    many = [row._replace(subdirectory=f"{row.subdirectory}{i}") for row in report.directories for i in range(9000)]
    large = replace(named(), report=replace(report, directories=type(report.directories).of(many)))
    for _ in range(2):
        store_volume(database, large)
    assert next(commits) > 20
    assert len(paths(database, VOLUME)) == 27000
