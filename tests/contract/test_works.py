"""Works in every database: what is stored equals a plain model of the observations, in whatever order they come."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from lurge.model.works import FULL, PUBLISH_STATES, PUBLISHED, STATES, WEB, Observation, TreeKey
from lurge.store.database import Database
from lurge.store.works import schema
from lurge.store.works.read import history, losses, movements, totals, work_states
from lurge.store.works.record import Recorder

FIRST = date(2024, 1, 1)
TREES = [
    TreeKey("h1", "scanned", "/scans"),
    TreeKey("h2", "scanned", "/scans"),
    TreeKey("h1", "ReadyToProcess", "/ready"),
    TreeKey("h1", PUBLISHED, "/web"),
]
NAMES = ["W1", "w1", "W 2", "W,3", "Wé", 'W"4']


class Taken(NamedTuple):
    """A work as it was taken."""

    publish: str | None
    images: int


Model = dict[tuple[TreeKey, date], dict[tuple[str, str], Taken]]


def record(database: Database, tree: TreeKey, day: date, taken: dict[tuple[str, str], Taken],
           whole: bool = True, unread: Any = ()) -> None:  # fmt: skip
    with database.writing() as connection:
        recorder = Recorder(connection, STATES, PUBLISH_STATES)
        if whole:
            recorder.see_tree(tree, day, unread)
        recorder.add(
            (
                Observation(day, tree.host, project, work, FIRST, tree.state, one.publish, one.images, 9, 99, 999),
                tree.path,
            )
            for (project, work), one in taken.items()
        )
        recorder.finish()


def expected_states(model: Model) -> list[tuple[Any, ...]]:
    """(work, project, host, state, publish state, first, last, observations, images), sorted."""
    seen: dict[tuple[Any, ...], dict[date, int]] = {}
    for (tree, day), taken in model.items():
        for (project, work), one in taken.items():
            seen.setdefault((work, project, tree.host, tree.state, one.publish), {})[day] = one.images
    return sorted(((*key, min(days), max(days), len(days), days[max(days)]) for key, days in seen.items()), key=repr)


def stored_states(database: Database) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        return sorted(((*row[:8], row.images) for row in work_states(connection)), key=repr)


def test_any_order_of_observations_gives_what_the_model_says(works: Database) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    rng = random.Random(seed)
    model: Model = {}
    for _ in range(25):
        tree, day = rng.choice(TREES), FIRST + timedelta(days=rng.randrange(6))
        projects, states = ([tree.path], [FULL, WEB]) if tree.state == PUBLISHED else (["P", "Q"], [None])
        taken = {
            (rng.choice(projects), name): Taken(
                rng.choice([FULL, WEB]) if tree.state == PUBLISHED else None, rng.randrange(5)
            )
            for name in rng.sample(NAMES, rng.randrange(len(NAMES)))
        }
        record(works, tree, day, taken)
        model[tree, day] = taken
        assert stored_states(works) == expected_states(model)
    images: dict[tuple[date, str, str], list[int]] = {}
    for (tree, day), rows in model.items():
        for (name, _), one in rows.items():
            if tree.state != PUBLISHED:
                images.setdefault((day, tree.state, name), []).append(one.images)
    with works.reading() as connection:
        table, states, projects = schema.process_count_history, schema.process_states, schema.projects
        query = (
            sa.select(table.c.last_obs_date, states.c.state_name, projects.c.process_project, table.c.image_count,
                      table.c.work_count)
            .join_from(table, states)
            .join(projects)
        )  # fmt: skip
        stored = {tuple(row[:3]): (int(row[3]), row[4]) for row in connection.execute(query)}
    assert stored == {key: (sum(counts), len(counts)) for key, counts in images.items()}


def test_repeating_a_date_changes_nothing(works: Database) -> None:
    taken = {("P", name): Taken(None, 3) for name in NAMES}
    record(works, TREES[0], FIRST, taken)
    before = stored_states(works)
    record(works, TREES[0], FIRST, taken)
    record(works, TREES[0], FIRST, taken, whole=False)
    assert stored_states(works) == before


def test_an_older_observation_does_not_overwrite_a_newer_count(works: Database) -> None:
    record(works, TREES[0], FIRST + timedelta(days=5), {("P", "W1"): Taken(None, 7)})
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 1)})
    (row,) = stored_states(works)
    assert row[5:] == (FIRST, FIRST + timedelta(days=5), 2, 7)


def test_a_missing_tree_does_not_make_works_of_another_look_gone(works: Database) -> None:
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 1), ("P", "gone"): Taken(None, 1)})
    record(works, TREES[2], FIRST, {("P", "W2"): Taken(None, 1)})
    record(works, TREES[0], FIRST + timedelta(days=9), {("P", "W1"): Taken(None, 1)}, unread=[("P", "unread")])
    with works.reading() as connection:
        assert [(row.work, row.is_present) for row in work_states(connection)] == [
            ("W1", True), ("W2", True), ("gone", False),
        ]  # fmt: skip


def test_a_work_that_could_not_be_read_is_not_gone(works: Database) -> None:
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 4)})
    record(works, TREES[0], FIRST + timedelta(days=1), {}, unread=[("P", "W1")])
    with works.reading() as connection:
        (row,) = work_states(connection)
        assert (row.is_present, row.last_obs_date, row.images) == (True, FIRST, 4)
        assert [total.images for total in totals([row], by_project=False)] == [4]


def test_totals_over_time_carry_a_tree_that_was_not_reachable(works: Database) -> None:
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 4)})
    record(works, TREES[1], FIRST, {("P", "W1"): Taken(None, 5)})
    record(works, TREES[1], FIRST + timedelta(days=7), {("P", "W1"): Taken(None, 6)})
    with works.reading() as connection:
        assert [(row.record_date, row.images) for row in history(connection)] == [
            (FIRST, 9), (FIRST + timedelta(days=7), 10),
        ]  # fmt: skip


def test_movements_and_losses_are_named(works: Database) -> None:
    later = FIRST + timedelta(days=3)
    record(
        works, TREES[0], FIRST, {("P", "W1"): Taken(None, 10), ("P", "W2"): Taken(None, 2), ("P", "W3"): Taken(None, 1)}
    )
    record(works, TREES[0], later, {("P", "W2"): Taken(None, 1), ("P", "W4"): Taken(None, 1)})
    record(works, TREES[2], later, {("P", "W1"): Taken(None, 8)})
    with works.reading() as connection:
        found = {row.work: (row.change, row.state_before, row.state) for row in movements(connection, FIRST, later)}
        assert found == {
            "W1": ("moved", "scanned", "ReadyToProcess"),
            "W2": ("shrank", "scanned", "scanned"),
            "W3": ("gone", "scanned", None),
            "W4": ("appeared", None, "scanned"),
        }
        (loss,) = losses(work_states(connection, with_most=True))
        assert (loss.work, loss.lost, loss.record_date) == ("W1", 2, later)


def test_a_backlog_does_not_count_beside_a_walk_of_the_same_state(works: Database) -> None:
    backlog = TreeKey("h1", "scanned", "P")
    record(works, backlog, FIRST, {("P", "W1"): Taken(None, 10), ("P", "old"): Taken(None, 1)}, whole=False)
    later = FIRST + timedelta(days=2)
    record(works, TREES[0], later, {("P", "W1"): Taken(None, 12)})
    with works.reading() as connection:
        assert [(row.record_date, row.works, row.images) for row in history(connection)] == [
            (FIRST, 2, 11), (later, 1, 12),
        ]  # fmt: skip
        assert [row.work for row in work_states(connection) if row.is_present] == ["W1"]
        changes = [(row.work, row.change) for row in movements(connection, FIRST, later)]
        assert changes == [("W1", "grew"), ("old", "gone")]


def test_works_of_a_project_that_could_not_be_read_are_not_gone(works: Database) -> None:
    first = {("P", "W1"): Taken(None, 4), ("P", "W2"): Taken(None, 5), ("Q", "W3"): Taken(None, 6)}
    record(works, TREES[0], FIRST, first)
    record(works, TREES[0], FIRST, {("Q", "W3"): Taken(None, 6)}, unread=[("P", None)])
    for days in (1, 2):
        record(works, TREES[0], FIRST + timedelta(days=days), {("Q", "W3"): Taken(None, 6)}, unread=[("P", None)])
        with works.reading() as connection:
            assert all(row.is_present for row in work_states(connection))
    record(works, TREES[0], FIRST + timedelta(days=3), {("Q", "W3"): Taken(None, 6)})
    with works.reading() as connection:
        assert [row.work for row in work_states(connection) if not row.is_present] == ["W1", "W2"]


def test_a_published_work_has_moved_and_its_losses_count_from_the_most_that_was_seen(works: Database) -> None:
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 10), ("Q", "W1"): Taken(None, 1)})
    record(works, TREES[0], FIRST + timedelta(days=1), {("P", "W1"): Taken(None, 0), ("Q", "W1"): Taken(None, 1)})
    later = FIRST + timedelta(days=2)
    record(works, TREES[0], later, {("Q", "W1"): Taken(None, 1)})
    record(works, TREES[3], later, {("/web", "W1"): Taken(WEB, 8)})
    with works.reading() as connection:
        (moved,) = movements(connection, FIRST, later)
        assert (moved.change, moved.state_before, moved.state, moved.project) == ("moved", "scanned", WEB, "/web")
        assert [(loss.images_before, loss.lost) for loss in losses(work_states(connection, with_most=True))] == [
            (10, 2)
        ]


def test_states_that_were_first_seen_together_are_in_the_order_of_the_process(works: Database) -> None:
    record(works, TREES[2], FIRST, {("P", "W1"): Taken(None, 8), ("P", "W2"): Taken(None, 9)})
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 10), ("P", "W2"): Taken(None, 9)})
    with works.reading() as connection:
        (loss,) = losses(work_states(connection, with_most=True), list(STATES))
    assert (loss.work, loss.state_before, loss.state, loss.lost) == ("W1", "scanned", "ReadyToProcess", 2)


VIEWS = {
    "process_view": ["process_project", "process_work", "image_count", "first_obs_date", "last_obs_date",
                     "process_state", "create_time", "update_time"],
    "publish_view": ["process_work", "publish_create_date", "state_desc", "image_count", "create_time", "update_time"],
    "process_count_history_view": ["process_project", "last_obs_date", "process_state", "image_count", "create_time",
                                   "update_time"],
    "publish_count_history_view": ["last_obs_date", "state_desc", "work_count", "image_count"],
}  # fmt: skip


KINDS = {"image_count": int, "work_count": int, "create_time": datetime, "update_time": datetime,
         "first_obs_date": date, "last_obs_date": date, "publish_create_date": date}  # fmt: skip
"""What a viewer gets from each column; from the others texts. SQLite has dates and times as texts."""


@pytest.mark.parametrize("view", VIEWS)
def test_views_have_the_columns_and_types_that_viewers_read(works: Database, view: str) -> None:
    record(works, TREES[0], FIRST, {("P", "W1"): Taken(None, 10)})
    record(works, TREES[3], FIRST, {("/web", "W1"): Taken(FULL, 10)})
    with works.reading() as connection:
        rows = connection.execute(sa.text(f"SELECT * FROM {view}"))
        assert list(rows.keys()) == VIEWS[view]
        (row,) = rows
        assert int(row.image_count) == 10
        for name, value in row._mapping.items():
            kind = KINDS.get(name, str)
            if works.engine.dialect.name == "sqlite" and kind in (date, datetime):
                assert kind.fromisoformat(value), name
            else:
                # A sum is a decimal number on servers.
                assert type(value) in (kind, Decimal if kind is int else kind), (name, value)
