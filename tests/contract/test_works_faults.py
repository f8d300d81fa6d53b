"""Works when something dies: the process at any statement, the database in the middle, another job, the clock."""

from __future__ import annotations

import os
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.config.load import load_config
from lurge.config.works import WorksConfig
from lurge.errors import LockHeld
from lurge.model.works import Observation, TreeKey
from lurge.pipeline.works import run_gather, store_tree
from lurge.source.works import Gathered
from lurge.store.database import Database
from lurge.store.database.lock import RunLock, sole_run
from lurge.store.database.upgrade import upgrade
from lurge.store.works import schema
from lurge.store.works.area import WORKS
from lurge.store.works.read import history, work_states
from tests.contract.test_unavailable import Server
from tests.processes import die_before, was_killed

DAY = date(2024, 1, 1)
TREE = TreeKey("h", "scanned", "/scans")
CONFIG = WorksConfig()
TEMPORARY = ("works_incoming", "works_resolved", "works_chosen")


def gathered(day: date, images: int, works: int = 5) -> Gathered:
    observations = [
        Observation(day, TREE.host, "P", f"W{number}", DAY, TREE.state, None, images) for number in range(works)
    ]
    return Gathered(TREE, day, observations)


def store(database: Database, result: Gathered) -> None:
    with sole_run(database, WORKS, "works_gather") as lock:
        database.retrying(lambda: store_tree(database, lock, CONFIG, result))


def state(database: Database) -> list[Any]:
    with database.reading() as connection:
        rows: list[Any] = [tuple(row) for row in history(connection)]
        rows += [(row.work, row.images, row.observations, row.last_obs_date) for row in work_states(connection)]
        for table in (schema.process_count_history, schema.observed):
            rows.append(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
    return rows


def die(config: DatabaseConfig, at: int, result: Gathered) -> None:
    """Store a tree, and be killed before the given statement or commit."""
    database = Database(config)
    die_before(database, at)
    store(database, result)
    os._exit(0)


def test_a_gather_killed_at_any_statement_leaves_the_old_counts_or_the_new(
    works: Database, database_config: DatabaseConfig
) -> None:
    store(works, gathered(DAY, 3))
    old = state(works)
    works.close()
    for at in count(1, 5 if works.engine.dialect.name == "sqlite" else 7):
        if not was_killed(die, database_config, at, gathered(DAY + timedelta(1), 4)):
            break
        found = state(works)
        works.close()
        if found != old:
            assert [row[1:3] for row in found[2:7]] == [(4, 2)] * 5
            break
    store(works, gathered(DAY + timedelta(1), 4))
    assert [row[1:3] for row in state(works)[2:7]] == [(4, 2)] * 5
    assert at > 20


@pytest.mark.parametrize("statement", [3, 15, 30])
def test_a_database_that_goes_away_is_waited_for(running: Server, statement: int) -> None:
    """Its connections are ended in the middle of a transaction, once: everything is stored, once."""
    database = Database(DatabaseConfig(url=running.new_database("works_faults")))
    upgrade(database, WORKS)
    place = count(1)

    def before(*_: object) -> None:
        if next(place) == statement:
            running.kill_connections("works_faults")

    with sole_run(database, WORKS, "works_gather") as lock:
        sa.event.listen(database.engine, "before_cursor_execute", before)
        database.retrying(lambda: store_tree(database, lock, CONFIG, gathered(DAY, 3)))
        sa.event.remove(database.engine, "before_cursor_execute", before)
    assert next(place) > statement
    assert [row[1:3] for row in state(database)[1:6]] == [(3, 1)] * 5
    database.close()


def test_the_second_of_two_gathers_names_the_first(works: Database, database_config: DatabaseConfig) -> None:
    other = Database(database_config)
    with sole_run(works, WORKS, "works_gather"), pytest.raises(LockHeld, match="works_gather, process"):
        RunLock(other, WORKS).take("works_load")
    other.close()


def test_a_clock_that_went_back_changes_no_newer_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "scans" / "P" / "W"
    work.mkdir(parents=True)
    (work / "1.jpg").write_bytes(b"1")
    config = load_config(None, optional=True)
    database = Database(config.database)
    tree = TreeKey("h", "scanned", str(tmp_path / "scans"))
    run_gather(config, database, [tree], lambda path, works: None, DAY)
    (work / "1.jpg").unlink()
    run_gather(config, database, [tree], lambda path, works: None, DAY - timedelta(3))
    assert "is the clock right" in caplog.text
    assert "mounted" not in caplog.text
    with database.reading() as connection:
        (row,) = work_states(connection)
        assert (row.images, row.first_obs_date, row.last_obs_date) == (1, DAY - timedelta(3), DAY)
        assert row.is_present
    database.close()


def test_a_tree_that_lost_all_works_is_told(works: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Its file system may not be mounted."""
    store(works, gathered(DAY, 3, works=0))
    store(works, gathered(DAY, 3))
    store(works, gathered(DAY + timedelta(1), 3))
    assert "mounted" not in caplog.text
    store(works, gathered(DAY + timedelta(2), 3, works=0))
    assert "/scans holds no works, and had 5: is its file system mounted?" in caplog.text
