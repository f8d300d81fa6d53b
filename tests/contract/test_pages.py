"""Queries of the pages, for volumes whose newest dates differ, on every kind of database."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read import pages
from lurge.store.usage.read.dates import newest_of_all
from lurge.store.usage.read.overview import base_uses
from lurge.store.usage.read.pages import (
    VaultFilter,
    person_history,
    uses_before,
    vault_rows,
    vault_sums,
    volume_states,
)

TODAY = date(2024, 3, 10)
OLD = TODAY - timedelta(days=3)
DATES = {"v2": OLD, "v1": TODAY}
"""v2 has not been read for three days."""


@pytest.fixture
def filled(database: Database) -> Database:
    """Ten days of v1, and the first seven of v2."""

    def add(connection: sa.Connection, table: sa.Table, *rows: dict[str, object]) -> None:
        for row in rows:
            connection.execute(sa.insert(table).values(row))

    with database.writing() as connection:
        add(connection, schema.volume, *({"volume_id": i, "scratch_disk": f"v{i}"} for i in (1, 2)))
        add(connection, schema.unix_group, *({"group_id": i, "group_name": name} for i, name in ((1, "a"), (2, "b"))))
        add(connection, schema.user, {"user_id": 1, "user_name": "uno"})
        bases = [{"base_directory_id": i, "directory_path": f"/v{i}/a", "volume_id": i} for i in (1, 2)]
        add(connection, schema.base_directory, *bases)
        counts = {"records": 1, "attributed": 1, "unattributed": 0, "vanished": 0, "rejected": 0}
        for ago in range(10):
            for volume in (1, 2):
                if volume == 2 and ago < 3:
                    continue
                day = TODAY - timedelta(days=ago)
                dated = {"record_date": day, "volume_id": volume}
                used = {"attributed_bytes": 100 - ago, "unattributed_bytes": 0}
                add(connection, schema.volume_summary, dated | counts | used)
                add(connection, schema.user_usage, dated | {"user_id": 1, "group_id": 1, "size": ago})
                kept = {"filepath": f"/v{volume}/a/{ago}", "group_id": 1, "vault_action_id": 1, "user_id": 1}
                add(connection, schema.vault, dated | kept | {"size": ago})
                usage = {"record_date": day, "base_directory_id": volume, "unix_id": volume, "used": 100 - ago}
                add(connection, schema.lustre_usage, usage)
    return database


def test_each_volume_is_read_at_its_own_date(filled: Database) -> None:
    with filled.reading() as connection:
        newest = newest_of_all(connection, ["v2", "v3", "v1"])
        assert {name: days.newest for name, days in newest.items()} == DATES
        assert list(newest) == ["v2", "v1"]
        assert [(use.volume, use.record_date, use.used) for use in base_uses(connection, DATES, None)] == [
            ("v2", OLD, 97),
            ("v1", TODAY, 100),
        ]
        assert [(one.volume, one.record_date, one.used) for one in volume_states(connection, DATES)] == [
            ("v2", OLD, 97),
            ("v1", TODAY, 100),
        ]
        state = connection.execute(sa.select(schema.vault_actions.c.action_name).order_by("vault_action_id")).scalar()
        assert vault_sums(connection, DATES, None) == [("v2", state, "a", 1, 3), ("v1", state, "a", 1, 0)]
        total, rows = vault_rows(connection, DATES, None, VaultFilter(user="uno"), "size", True, 0, 10)
        assert total == 2
        assert [(row["volume"], row["path"]) for row in rows] == [("v2", "/v2/a/3"), ("v1", "/v1/a/0")]
        assert vault_rows(connection, {}, None, VaultFilter(), "size", True, 0, 10) == (0, [])


def test_growth_is_since_the_newest_date_that_is_old_enough(filled: Database) -> None:
    with filled.reading() as connection:
        assert uses_before(connection, DATES, 5, None) == {
            "v2": (OLD - timedelta(days=5), {"b": 92}),
            "v1": (TODAY - timedelta(days=5), {"a": 95}),
        }
        assert uses_before(connection, DATES, 7, frozenset([1])) == {"v1": (TODAY - timedelta(days=7), {"a": 93})}
        assert uses_before(connection, DATES, 100, None) == {}


def test_growth_of_a_name_is_that_of_all_its_keys(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a database of the older tool whose names have no unique key."""
    day = OLD - timedelta(days=5)
    with filled.writing() as connection:
        row = {"record_date": day, "base_directory_id": 2, "unix_id": 1, "used": 8}
        connection.execute(sa.insert(schema.lustre_usage).values(row))
    monkeypatch.setattr(pages, "by_key", lambda connection, query: {1: "a", 2: "a"})
    with filled.reading() as connection:
        assert uses_before(connection, {"v2": OLD}, 5, None) == {"v2": (day, {"a": 92 + 8})}


def test_the_history_of_a_person_has_every_date(filled: Database) -> None:
    with filled.reading() as connection:
        dated = person_history(connection, "uno", None, ["v1", "v2"])
    assert len(dated) == 17
    assert dated[0] == (TODAY - timedelta(days=9), "v1", 9)
    assert dated[-1] == (TODAY, "v1", 0)
