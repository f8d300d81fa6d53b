"""The database of the tool that counted works before, on a real MariaDB: adopted, and compared with its procedure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError
from lurge.model.works import PUBLISH_STATES, STATES, Observation
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.works import adopt
from lurge.store.works.area import WORKS
from lurge.store.works.read import history, work_states
from lurge.store.works.record import Recorder
from tests.services import old_works
from tests.services.mariadb import MariaDb

DAY = date(2024, 3, 1)
MADE = date(2020, 1, 2)
VIEWS = ("process_view", "publish_view", "process_count_history_view", "publish_count_history_view")


@pytest.fixture
def older(server: MariaDb) -> Iterator[Database]:
    """An empty database of the real server."""
    database = Database(DatabaseConfig(url=server.new_database("processing")))
    yield database
    database.close()


def record(database: Database, rows: list[Observation]) -> None:
    with database.writing() as connection:
        recorder = Recorder(connection, STATES, PUBLISH_STATES)
        recorder.add((one, one.project) for one in rows)
        recorder.finish()


def states(database: Database) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return [
            (row.work, row.project, row.host, row.state, row.first_obs_date, row.last_obs_date, row.observations,
             row.create_date, row.images)
            for row in work_states(connection)
        ]  # fmt: skip


def column(database: Database, query: str) -> list[Any]:
    with database.reading() as connection:
        return list(connection.exec_driver_sql(query).scalars())


def test_every_row_is_brought_over(older: Database) -> None:
    """Names with several keys and without a name, latin1 names, dangling keys, NULLs, zero dates, views and events."""
    with older.writing() as connection:
        old_works.make(connection, has_keys=False)
        old_works.call(connection, "03-01-2024", "h1", "/Pürée", "Wé", "2020-01-02", "SCANNED", 7)
        old_works.call(connection, "2024-03-05", "h1", "/Pürée", "Wé", "2020-01-02", "scanned", 9)
        old_works.call(connection, "2024-03-01", "h1", "/Q", "W2", "2020-01-02", "ReadyToProcess", 3)
        statuses = "insert into process_work_states values (null, null"
        old_works.run(connection, [
            "update process_work_states set process_create_date = '0000-00-00' where process_work_id = 2",
            "insert into process_hosts values (null, null, 50, null), (null, null, 51, 'h1')",
            "insert into process_projects values (null, null, 60, '/Q')",
            f"{statuses}, 60, 51, 2, 3, '2024-02-01', '2024-02-03', null, '2020-01-02', 8)",
            f"{statuses}, 77, 50, 88, 1, '2024-02-01', '2024-02-03', 4, '2020-01-02', null)",
            "insert into publish_work_states values (null, null, 1, 1, '2024-02-09', '2021-05-06', 12)",
            "insert into process_count_history values ('2024-02-01', 2, 1, 100, null, null),"
            " ('2024-02-01', 3, 2, 5, null, null), ('2024-02-01', 3, 60, 6, null, null)",
            "insert into publish_count_history values ('2024-02-01', 1, 2, 30)",
        ])  # fmt: skip
    upgrade(older, WORKS)
    assert states(older) == [
        ("W2", "/Q", "h1", "ReadyToProcess", date(2024, 2, 1), DAY, 2, None, 3),
        ("Wé", "unknown", "unknown", "published", date(2024, 2, 9), date(2024, 2, 9), 1, date(2021, 5, 6), 12),
        ("Wé", "/Pürée", "h1", "scanned", DAY, date(2024, 3, 5), 1, MADE, 9),
        ("unknown 88", "unknown 77", "unknown 50", "cataloged", date(2024, 2, 1), date(2024, 2, 3), 4, MADE, 0),
    ]
    assert column(older, "select idprocess_work from process_works where process_work = 'Wé'") == [1]
    assert column(older, "select state_desc from process_states order by idprocess_state")[:3] == [
        "Cataloged", "Was scanned", "Ready",
    ]  # fmt: skip
    assert column(older, "select image_count from process_count_history order by image_count") == [11, 100]
    assert column(older, "select status from information_schema.events where event_schema = database()") == ["DISABLED"]
    assert column(older, "select count(*) from older_process_work_states") == [4]
    for view in VIEWS:
        column(older, f"select count(*) from {view}")
    upgrade(older, WORKS)
    assert len(states(older)) == 4


def test_the_oldest_tables_are_brought_over(older: Database) -> None:
    with older.writing() as connection:
        old_works.make_oldest(connection)
        old_works.run(connection, [
            "insert into process_hosts (process_host) values ('h')",
            "insert into process_works (process_work) values ('W')",
            "insert into process_projects (process_project) values ('/P')",
            "insert into process_work_states"
            " values (null, null, 1, 1, 1, 2, '2024-03-01 12:00:00', 5, '2020-01-02', 7)",
        ])  # fmt: skip
    upgrade(older, WORKS)
    assert states(older) == [("W", "/P", "h", "scanned", DAY, DAY, 5, MADE, 7)]


def test_an_adoption_that_died_goes_on(older: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of copying: the old tables are set aside, and nothing is in ours."""
    with older.writing() as connection:
        old_works.make(connection)
        old_works.call(connection, "2024-03-01", "h", "/P", "W", "2020-01-02", "scanned", 7)

    def die(*_: object) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patched:
        patched.setattr(adopt, "copy_history", die)
        with pytest.raises(StoreError, match="away"):
            upgrade(older, WORKS)
    upgrade(older, WORKS)
    assert states(older) == [("W", "/P", "h", "scanned", DAY, DAY, 1, MADE, 7)]


def test_adopted_rows_go_on_with_new_observations(older: Database) -> None:
    with older.writing() as connection:
        old_works.make(connection)
        old_works.call(connection, "2024-03-01", "h", "/P", "W", "2020-01-02", "scanned", 7)
        old_works.run(connection, ["insert into process_count_history values ('2024-03-01', 2, 1, 7, null, null)"])
    upgrade(older, WORKS)
    later = DAY + timedelta(1)
    record(older, [Observation(later, "h", "/P", "W", MADE, "scanned", None, 6)])
    assert states(older) == [("W", "/P", "h", "scanned", DAY, later, 2, MADE, 6)]
    record(older, [Observation(DAY, "h", "/P", "V", MADE, "scanned", None, 1)])
    with older.reading() as connection:
        assert [(row.record_date, row.works, row.images) for row in history(connection)] == [(DAY, 2, 8), (later, 1, 6)]
    assert column(older, "select image_count from process_count_history order by last_obs_date") == [7, 6]


def test_the_older_procedure_still_works_and_is_taken_over(older: Database) -> None:
    """A site may go on with it for a while."""
    with older.writing() as connection:
        old_works.make(connection)
    upgrade(older, WORKS)
    record(older, [Observation(DAY, "h", "/P", "W", MADE, "scanned", None, 6)])
    with older.writing() as connection:
        old_works.call(connection, "2024-03-01", "h2", "/Q", "V", "2020-01-02", "scanned", 5)
    record(older, [Observation(DAY + timedelta(1), "h", "/P", "W", MADE, "scanned", None, 6)])
    assert [(row[0], row[2], row[6], row[8]) for row in states(older)] == [("V", "h2", 1, 5), ("W", "h", 2, 6)]
    with older.reading() as connection:
        assert [row.images for row in history(connection)] == [11, 11]


def test_both_tools_count_the_same(older: Database, server: MariaDb) -> None:
    """The same observations, oldest first, of works that have one name in one place, as the older tool assumed."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    works = [(f"W{number}", f"/P{number % 4}", f"h{number % 3}") for number in range(40)]
    rows = [
        Observation(DAY + timedelta(day), host, project, work, MADE, state, None, chosen.randrange(500))
        for day in range(10)
        for work, project, host in chosen.sample(works, 25)
        for state in chosen.sample(["scanned", "ReadyToProcess", "cataloged"], 2)
    ]
    ours = Database(DatabaseConfig(url=server.new_database("ours")))
    upgrade(ours, WORKS)
    record(ours, rows)
    with older.writing() as connection:
        old_works.make(connection)
        for one in rows:
            old_works.call(connection, one.day.strftime(chosen.choice(["%Y-%m-%d", "%m-%d-%Y"])), one.host, one.project,
                           one.work, one.create_date, one.state, one.images)  # fmt: skip
    query = """select process_work, process_project, process_host, lower(state_name), date(first_obs_date),
        date(last_obs_date), date(process_create_date), image_count from process_work_states
        join process_works on process_work_id = idprocess_work
        join process_projects on process_project_id = idprocess_project
        join process_hosts on process_host_id = idprocess_host
        join process_states on process_state_id = idprocess_state"""
    tables = []
    for database in (older, ours):
        with database.reading() as connection:
            tables.append(sorted(map(tuple, connection.exec_driver_sql(query))))
    assert tables[0] == tables[1]
    assert len(tables[0]) > 100
    upgrade(older, WORKS)
    assert sorted(row[:6] + row[7:] for row in states(older)) == sorted(row[:6] + row[7:] for row in states(ours))
    ours.close()


@pytest.mark.parametrize(
    ("rows", "theirs", "expected"),
    [
        # A work of one name in two projects is one row there.
        ([(0, "h", "/P", "W", "scanned", 3), (1, "h", "/Q", "W", "scanned", 5)], [("W", "/P", 1, 5)],
         [("W", "/P", 0, 3), ("W", "/Q", 1, 5)]),
        # An older observation replaces a newer one there.
        ([(1, "h", "/P", "W", "scanned", 3), (0, "h", "/P", "W", "scanned", 5)], [("W", "/P", 0, 5)],
         [("W", "/P", 1, 3)]),
        # Names that differ by case are one there.
        ([(0, "h", "/P", "W", "scanned", 3), (0, "h", "/P", "w", "scanned", 5)], [("W", "/P", 0, 5)],
         [("W", "/P", 0, 3), ("w", "/P", 0, 5)]),
    ],
)  # fmt: skip
def test_the_tools_differ_where_ours_is_meant_to(
    older: Database, server: MariaDb, rows: list[Any], theirs: list[Any], expected: list[Any]
) -> None:
    observations = [
        Observation(DAY + timedelta(day), host, project, work, MADE, state, None, images)
        for day, host, project, work, state, images in rows
    ]
    with older.writing() as connection:
        old_works.make(connection)
        for one in observations:
            old_works.call(connection, one.day, one.host, one.project, one.work, MADE, one.state, one.images)
    upgrade(older, WORKS)
    ours = Database(DatabaseConfig(url=server.new_database("ours")))
    upgrade(ours, WORKS)
    record(ours, observations)
    found = [[(row[0], row[1], (row[5] - DAY).days, row[8]) for row in states(one)] for one in (older, ours)]
    assert found == [theirs, expected]
    ours.close()


def test_names_that_differ_by_a_space_are_two(server: MariaDb) -> None:
    database = Database(DatabaseConfig(url=server.new_database("spaces")))
    upgrade(database, WORKS)
    record(database, [Observation(DAY, "h", "/P", name, MADE, "scanned", None, 1) for name in ("W", "W ", "w")])
    assert [row[0] for row in states(database)] == ["W", "W ", "w"]
    database.close()
