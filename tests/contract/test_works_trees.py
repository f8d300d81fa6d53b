"""Works that several trees tell of: a backlog beside a walk, two walked trees, two hosts, and the older tool's."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.model.works import FULL, PUBLISH_STATES, PUBLISHED, STATES, WEB, Observation, TreeKey
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.works import schema
from lurge.store.works.area import WORKS
from lurge.store.works.read import gone, history, host_of, losses, totals, work_states
from lurge.store.works.record import Recorder
from tests.contract.test_works import Taken, record
from tests.services import old_works
from tests.services.mariadb import MariaDb

DAY = date(2024, 1, 1)
SCANS, OTHERS = TreeKey("h", "scanned", "/scans"), TreeKey("h", "scanned", "/more")
READY, WEBSITE = TreeKey("h", "ReadyToProcess", "/ready"), TreeKey("h", PUBLISHED, "/web")
W1 = ("P", "W1")


def after(days: int) -> date:
    return DAY + timedelta(days)


def walk(database: Database, tree: TreeKey, days: int, **images: int) -> None:
    """Walk a tree that holds works of project P, or of the published tree."""
    project, publish = (tree.path, WEB) if tree.state == PUBLISHED else ("P", None)
    record(database, tree, after(days), {(project, name): Taken(publish, number) for name, number in images.items()})


def backlog(database: Database, days: int, images: int, project: str = "P", work: str = "W1") -> None:
    with database.writing() as connection:
        recorder = Recorder(connection, STATES, PUBLISH_STATES)
        recorder.add([(Observation(after(days), "h", project, work, DAY, "scanned", None, images), project)])
        recorder.finish()


def states(database: Database) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [
            (row.work, row.state, row.images, row.observations, row.first_obs_date, row.last_obs_date, row.is_present)
            for row in work_states(connection)
        ]


def sums(database: Database) -> list[tuple[str, int, int]]:
    with database.reading() as connection:
        return [(row.state, row.works, row.images) for row in totals(work_states(connection), by_project=False)]


def test_a_walk_that_is_repeated_leaves_what_a_backlog_told(works: Database) -> None:
    backlog(works, 0, 10)
    walk(works, SCANS, 1, W1=4)
    walk(works, SCANS, 1)
    assert states(works) == [("W1", "scanned", 10, 1, DAY, DAY, False)]


def test_a_backlog_of_the_date_of_a_walk_changes_nothing(works: Database) -> None:
    walk(works, SCANS, 0, W1=4, W2=5)
    backlog(works, 0, 10)
    expected = [("W1", "scanned", 4, 1, DAY, DAY, True), ("W2", "scanned", 5, 1, DAY, DAY, True)]
    assert states(works) == expected
    with works.reading() as connection:
        assert [(row.works, row.images) for row in history(connection)] == [(2, 9)]
        table = schema.process_count_history
        assert connection.execute(sa.select(table.c.work_count, table.c.image_count)).one() == (2, 9)


def test_a_work_in_two_trees_is_there_as_long_as_one_has_it(works: Database) -> None:
    walk(works, OTHERS, 0, W1=7)
    walk(works, SCANS, 0, W1=5)
    assert states(works)[0][3:] == (1, DAY, DAY, True)
    walk(works, SCANS, 1, W1=5)
    walk(works, SCANS, 2)
    assert states(works) == [("W1", "scanned", 5, 2, DAY, after(1), True)]
    walk(works, OTHERS, 3)
    assert states(works) == [("W1", "scanned", 5, 2, DAY, after(1), False)]


def test_losses_are_from_the_most_that_a_state_had_on_any_host(works: Database) -> None:
    backlog(works, 0, 10)
    walk(works, SCANS, 1, W1=4)
    record(works, TreeKey("h2", "scanned", "/scans"), after(1), {W1: Taken(None, 6)})
    walk(works, READY, 2, W1=4)
    with works.reading() as connection:
        (loss,) = losses(work_states(connection, with_most=True), list(STATES))
    assert (loss.state_before, loss.state, loss.images_before, loss.images, loss.lost) == (
        "scanned", "ReadyToProcess", 10, 4, 6,
    )  # fmt: skip


def test_images_that_are_being_moved_away_are_not_lost(works: Database) -> None:
    walk(works, SCANS, 0, W1=10)
    walk(works, READY, 1, W1=10)
    walk(works, READY, 2, W1=3)
    walk(works, READY, 3)
    record(works, WEBSITE, after(3), {("/web", "W1"): Taken(FULL, 10)})
    with works.reading() as connection:
        assert losses(work_states(connection, with_most=True), list(STATES)) == []


def test_a_published_work_is_not_gone(works: Database) -> None:
    walk(works, SCANS, 0, W1=10, W2=5)
    walk(works, SCANS, 1)
    walk(works, WEBSITE, 1, W1=10)
    with works.reading() as connection:
        assert [row.work for row in gone(work_states(connection))] == ["W2"]


def test_an_empty_date_of_creation_is_filled_and_a_known_one_stays(works: Database) -> None:
    for days, made in ((0, None), (1, DAY), (2, after(5))):
        with works.writing() as connection:
            recorder = Recorder(connection, STATES, PUBLISH_STATES)
            recorder.add([(Observation(after(days), "h", "P", "W1", made, "scanned", None, 1), "P")])
            recorder.finish()
    with works.reading() as connection:
        assert [row.create_date for row in work_states(connection)] == [DAY]


def test_the_first_date_of_creation_of_a_file_stays(works: Database) -> None:
    lines = [
        (0, "W1", DAY, 5), (1, "W1", after(9), 6), (0, "W2", None, 1), (0, "W2", after(3), 2), (4, "W2", after(2), 3),
        (0, "W3", after(7), 1),
    ]  # fmt: skip
    with works.writing() as connection:
        recorder = Recorder(connection, STATES, PUBLISH_STATES)
        rows = [
            Observation(after(day), "h", "P", work, made, "scanned", None, count) for day, work, made, count in lines
        ]
        recorder.add((row, "P") for row in rows)
        recorder.finish()
    with works.reading() as connection:
        stored = {row.work: (row.create_date, row.images, row.observations) for row in work_states(connection)}
    assert stored == {"W1": (DAY, 6, 2), "W2": (after(3), 3, 2), "W3": (after(7), 1, 1)}


def counted(database: Database) -> list[tuple[object, ...]]:
    """The history of projects, as viewers read it."""
    table, project = schema.process_count_history, schema.projects
    query = sa.select(table.c.last_obs_date, project.c.process_project, table.c.image_count, table.c.work_count)
    with database.reading() as connection:
        return sorted(tuple(row) for row in connection.execute(query.join_from(table, project)))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_history_has_the_observations_of_its_date(works: Database, is_first: bool) -> None:
    """Also those of a backlog, before or after the walk of another project; but a work counts once."""
    if is_first:
        walk(works, SCANS, 0, W1=1)
    backlog(works, 1, 5, project="Q", work="W2")
    backlog(works, 0, 9)
    if not is_first:
        walk(works, SCANS, 0, W1=1)
    walk(works, OTHERS, 0, W1=2, W3=4)
    assert counted(works) == [(DAY, "P", 6, 2), (after(1), "Q", 5, 1)]
    walk(works, SCANS, 0, W1=1)
    assert counted(works) == [(DAY, "P", 6, 2), (after(1), "Q", 5, 1)]
    with works.reading() as connection:
        assert {row.work: row.images for row in work_states(connection)} == {"W1": 2, "W2": 5, "W3": 4}


def test_what_changes_nothing_leaves_the_times(works: Database) -> None:
    tables = (schema.process_work_states, schema.process_count_history)

    def rows() -> list[object]:
        with works.reading() as connection:
            return [list(connection.execute(sa.select(table))) for table in tables]

    walk(works, SCANS, 0, W1=1, W2=2)
    walk(works, OTHERS, 0, W1=3)
    long_ago = datetime(2020, 1, 1)
    with works.writing() as connection:
        connection.execute(sa.update(tables[0]).values(create_time=long_ago, update_time=long_ago))
        connection.execute(sa.update(tables[1]).values(created_time=long_ago, updated_time=long_ago))
    before = rows()
    for tree, images in ((SCANS, {"W1": 1, "W2": 2}), (OTHERS, {"W1": 3})):
        walk(works, tree, 0, **images)
        assert rows() == before
    walk(works, SCANS, 0, W1=1, W2=3)
    with works.reading() as connection:
        changed = connection.execute(sa.select(tables[0].c.update_time > long_ago)).scalars()
        assert sorted(map(bool, changed)) == [False, True]
        row = connection.execute(sa.select(tables[1])).one()
        assert row.created_time == long_ago < row.updated_time


def test_the_host_of_a_tree_is_that_on_which_it_was_walked_last(works: Database) -> None:
    walk(works, SCANS, 0, W1=1)
    record(works, TreeKey("h2", "scanned", "/scans"), after(1), {W1: Taken(None, 1)})
    with works.reading() as connection:
        assert host_of(connection, "SCANNED", "/scans") == "h2"
        assert host_of(connection, "scanned", "/elsewhere") is None


def test_published_works_of_the_older_tool_count_once_after_a_walk(server: MariaDb) -> None:
    """It stored neither host nor project. A state of the site differs by its case, and procedure and walk alternate."""
    database = Database(DatabaseConfig(url=server.new_database("older_published")))
    with database.writing() as connection:
        old_works.make(connection)
        old_works.run(connection, [
            "insert into process_works (process_work) values ('W1')",
            "insert into process_states (state_name, state_desc) values ('Proofread ', 'Proofread')",
            f"insert into publish_work_states values (null, null, 1, 2, '{DAY}', '{DAY}', 12)",
        ])  # fmt: skip
        old_works.call(connection, DAY, "h", "P", "W1", DAY, "Proofread ", 3)
    upgrade(database, WORKS)
    walk(database, WEBSITE, 1, W1=12)
    assert sums(database) == [("Proofread", 1, 3), (WEB, 1, 12)]
    with database.writing() as connection:
        recorder = Recorder(connection, STATES | {"proofread": "Proofread"}, PUBLISH_STATES)
        recorder.add([(Observation(after(1), "h", "P", "W1", DAY, "proofread", None, 4), "P")])
        recorder.finish()
    assert sums(database) == [("Proofread", 1, 4), (WEB, 1, 12)]
    database.close()


def test_what_the_older_procedure_changes_again_is_taken_over(server: MariaDb) -> None:
    database = Database(DatabaseConfig(url=server.new_database("older_procedure")))
    with database.writing() as connection:
        old_works.make(connection)
    upgrade(database, WORKS)
    for days, images in ((0, 5), (1, 6), (2, 6)):
        with database.writing() as connection:
            old_works.call(connection, after(days), "h", "Q", "V", DAY, "scanned", images)
        walk(database, READY, days, W1=1)
        with database.reading() as connection:
            (row,) = [row for row in work_states(connection) if row.work == "V"]
            assert (row.images, row.last_obs_date, row.is_present) == (images, after(days), True)
            table = schema.process_count_history
            query = sa.select(table.c.image_count).where(table.c.last_obs_date == after(days))
            assert sorted(connection.execute(query).scalars()) == [1, images]
    database.close()


@pytest.mark.parametrize(
    "row",
    [
        "process_count_history values ('2024-02-01', 2, null, 100, null, null)",
        "publish_count_history values ('2024-02-01', null, 2, 30)",
        "publish_work_states values (null, null, null, 1, '2024-02-09', '2021-05-06', 12)",
    ],
)
def test_rows_without_keys_do_not_stop_an_adoption(server: MariaDb, row: str) -> None:
    database = Database(DatabaseConfig(url=server.new_database("older_nulls")))
    with database.writing() as connection:
        old_works.make(connection)
        old_works.call(connection, DAY, "h", "P", "W1", DAY, "scanned", 3)
        old_works.run(connection, [f"insert into {row}"])
    upgrade(database, WORKS)
    assert sums(database) == [("scanned", 1, 3)]
    database.close()


@pytest.mark.parametrize("most_hashes", [8_000_000, 3])
def test_of_two_lines_of_a_work_at_one_date_the_last_counts(
    works: Database, most_hashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lurge.store.works.record.MOST_HASHES", most_hashes)
    rows = [
        Observation(after(day), "h", WEBSITE.path, work, DAY, PUBLISHED, publish, images)
        for day, work, publish, images in [
            (0, "W1", WEB, 3), (0, "W2", WEB, 4), (1, "W1", WEB, 5), (0, "W1", WEB, 7), (0, "W2", FULL, 9),
        ]
    ]  # fmt: skip
    with works.writing() as connection:
        recorder = Recorder(connection, STATES, PUBLISH_STATES)
        assert recorder.add((one, WEBSITE.path) for one in rows) == len(rows)
        recorder.finish()
    with works.reading() as connection:
        stored = sorted((row.work, row.publish_state, row.images, row.observations) for row in work_states(connection))
    assert stored == [("W1", WEB, 5, 2), ("W2", FULL, 9, 1)]
