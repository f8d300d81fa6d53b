"""What people ask of the database, on every kind of it, with rows of lurge and of the older tool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from lurge.config import Config
from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError, UsageError
from lurge.model.overview import KindUse
from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.difference import Change, Missing, difference
from lurge.store.usage.read.history import DatedUse, history
from lurge.store.usage.read.overview import read_overview
from lurge.store.usage.read.reading import group_key, read_stored, stored_volumes
from lurge.store.usage.recover import recover
from lurge.store.usage.steps import forget_totals
from lurge.store.usage.swap import store_volume
from lurge.view.context import Context
from lurge.view.pages.groups import rows_by_volume, rows_of, totals_of
from lurge.view.person import EVERYBODY
from tests.contract.test_store import DAY, named, tag

FIRST, SECOND = date(2024, 1, 1), date(2024, 1, 8)
LARGE = 2**62
VOLUMES = ["v1", "v2", "v3"]


@pytest.fixture
def filled(database: Database) -> Database:
    """v1 has both dates of lurge; v2 the second, and before it twice a row of the older tool; v3 has nothing."""

    def add(connection: sa.Connection, table: sa.Table, *rows: dict[str, object]) -> None:
        for row in rows:
            connection.execute(sa.insert(table).values(row))

    with database.writing() as connection:
        add(connection, schema.volume, *({"volume_id": i, "scratch_disk": f"v{i}"} for i in (1, 2)))
        add(connection, schema.unix_group, *({"group_id": i, "group_name": name} for i, name in ((1, "a"), (2, "b"))))
        add(connection, schema.user, *({"user_id": i, "user_name": name} for i, name in ((1, "uno"), (2, "due"))))
        add(connection, schema.pi, {"pi_id": 1, "pi_name": "Dr A"})
        add(connection, schema.filetype, *({"filetype_id": i, "filetype_name": f"T{i}"} for i in (1, 2)))
        bases = ((1, "/v1/a", 1), (2, "/v1/b", 1), (3, "/v2/a", 2), (4, "/v2/b", 2))
        for key, path, volume in bases:
            row = {"base_directory_id": key, "directory_path": path, "volume_id": volume}
            add(connection, schema.base_directory, row)
        usage = (
            (FIRST, 1, 1, 100, 1000), (SECOND, 1, 1, LARGE, 1000), (SECOND, 1, 2, LARGE, 1000), (SECOND, 2, 2, 7, None),
            (FIRST, 1, 3, 30, 50), (FIRST, 1, 3, 30, 50), (SECOND, 1, 3, 40, 50), (SECOND, None, 4, None, None),
        )  # fmt: skip
        for day, group, base, used, quota in usage:
            row = {"record_date": day, "unix_id": group, "base_directory_id": base, "used": used, "quota": quota}
            add(connection, schema.lustre_usage, row | {"pi_id": group if group == 1 else None, "last_modified": base})
        people = ((FIRST, 1, 1, 1, 100), (SECOND, 1, 1, 1, LARGE), (SECOND, 2, 1, 1, LARGE), (SECOND, 1, 2, 2, 9))
        for day, user, group, volume, size in people:
            row = {"record_date": day, "user_id": user, "group_id": group, "volume_id": volume, "size": size}
            add(connection, schema.user_usage, row | {"num_files": 2, "last_modified": day})
        for key, base, group, days, size in (
            (1, 1, 1, 29, 5),
            (2, 1, 1, 30, 6),
            (3, 2, 2, 2000, 7),
            (4, 3, 1, None, 8),
        ):
            row = {"directory_id": key, "base_directory_id": base, "group_id": group, "last_modified": days}
            add(connection, schema.directory, row | {"size_bytes": size, "num_files": 1})
            add(connection, schema.file_size, {"directory_id": key, "filetype_id": 1 + key % 2, "size_bytes": size})
        counts = {"records": 1, "attributed": 1, "unattributed": 0, "vanished": 0, "rejected": 0}
        for volume, day, used, outside in ((1, FIRST, 100, 3), (1, SECOND, 7, 4), (2, SECOND, 40, 0)):
            row = {"volume_id": volume, "record_date": day, "attributed_bytes": used, "unattributed_bytes": outside}
            add(connection, schema.volume_summary, counts | row)
        for day, used in ((FIRST, 3), (SECOND, 4)):
            row = {"volume_id": 1, "record_date": day, "group_id": 2, "used": used, "num_records": 1}
            add(connection, schema.unattributed_usage, row)
    return database


def test_totals_are_exact(filled: Database) -> None:
    with filled.reading() as connection:
        overview = read_overview(connection, VOLUMES)
    assert overview.dates == {"v1": SECOND, "v2": SECOND}
    assert [(one.group, one.pi, one.used, one.unattributed) for one in overview.groups] == [
        ("a", "Dr A", 2 * LARGE + 40, 0),
        ("b", None, 7, 4),
        (None, None, 0, 0),
    ]
    assert overview.groups[0].last_modified == 1
    of_a = overview.groups[0].volumes
    assert {name: (use.used, use.quota, use.is_over) for name, use in of_a.items()} == {
        "v1": (2 * LARGE, 1000, True),
        "v2": (40, 50, False),
    }
    assert [(one.user, one.size, one.files) for one in overview.people] == [("uno", LARGE + 9, 4), ("due", LARGE, 2)]
    assert overview.filetypes == [KindUse("T1", 14, 2), KindUse("T2", 12, 2)]
    assert overview.ages == [
        KindUse("under 1 month", 5, 1),
        KindUse("1 to 6 months", 6, 1),
        KindUse("5 years and more", 7, 1),
        KindUse("unknown", 8, 1),
    ]
    assert overview.in_files == 26


@pytest.mark.parametrize("scope", [None, frozenset([1]), frozenset([1, 2]), frozenset()])
def test_groups_that_the_database_sums_are_those_of_base_directories(
    filled: Database, scope: frozenset[int] | None
) -> None:
    with filled.reading() as connection:
        context = Context(Config(), EVERYBODY, connection, lambda: nullcontext(connection))
        summed = rows_by_volume(context, VOLUMES, scope)
        one_by_one = list(rows_of(totals_of(context, VOLUMES, scope), "volume"))
    assert sorted(summed, key=repr_of) == sorted(one_by_one, key=repr_of)
    assert bool(summed) == (scope != frozenset())


def test_a_group_with_several_pis_on_a_volume_is_one_row(filled: Database) -> None:
    with filled.writing() as connection:
        connection.execute(sa.insert(schema.pi).values(pi_id=2, pi_name="Dr Z"))
        for base, pi, used, days, level in ((5, 2, 10, 0, 3), (6, None, 5, None, None)):
            names = {"base_directory_id": base, "directory_path": f"/v1/{base}", "volume_id": 1}
            connection.execute(sa.insert(schema.base_directory).values(names))
            connection.execute(
                sa.insert(schema.lustre_usage).values(
                    record_date=SECOND, unix_id=1, base_directory_id=base, pi_id=pi, used=used, last_modified=days,
                    quota=2000 if pi else None, warning_id=level,
                )
            )  # fmt: skip
    with filled.reading() as connection:
        context = Context(Config(), EVERYBODY, connection, lambda: nullcontext(connection))
        (row,) = [row for row in rows_by_volume(context, ["v1"], None) if row["group"] == "a"]
    assert (row["pi"], row["used"], row["directories"]) == ("Dr Z", 2 * LARGE + 15, 4)
    assert (row["last_modified"], row["quota"], row["level"]) == (0, 2000, 3)


def repr_of(row: dict[str, object]) -> str:
    return repr(sorted(row.items()))


def test_an_overview_of_one_group_has_only_its_rows(filled: Database) -> None:
    with filled.reading() as connection:
        overview = read_overview(connection, ["v1"], group_key(connection, "b"))
    assert [(one.group, one.used, one.unattributed) for one in overview.groups] == [("b", 7, 4)]
    assert overview.people == []
    assert [kind.name for kind in overview.filetypes] == ["T2"]
    assert [kind.size for kind in overview.ages] == [7]


def kinds(database: Database, volumes: Sequence[str]) -> tuple[list[KindUse], list[KindUse]]:
    with database.reading() as connection:
        overview = read_overview(connection, volumes)
    return overview.filetypes, overview.ages


@pytest.mark.parametrize("size", [10, 2**61, 2**63 - 1])
def test_stored_sums_are_those_of_directories(database: Database, size: int) -> None:
    """The sums of one volume, and the directories of another, whose sums are not there."""
    volumes = ["scratch101", "scratch102"]
    for name in volumes:
        store_volume(database, named(name, size))
    filetypes, ages = kinds(database, volumes)
    assert filetypes == [KindUse("BAM", 6 * size, 6)]
    assert [(kind.size, kind.directories) for kind in ages] == [(6 * size, 6)]
    with database.writing() as connection:
        forget_totals(connection, 2)
    assert kinds(database, volumes) == (filetypes, ages)


def test_sums_of_another_date_are_not_believed(database: Database) -> None:
    """The older tool has stored a newer night: its directories are summed."""
    store_volume(database, named())
    with database.writing() as connection:
        connection.execute(sa.update(schema.directory).values(size_bytes=7))
        connection.execute(sa.update(schema.file_size).values(size_bytes=6))
        row = {"record_date": DAY + timedelta(1), "volume_id": 1, "user_id": 1, "group_id": 1, "size": 1}
        connection.execute(sa.insert(schema.user_usage).values(row))
    filetypes, ages = kinds(database, ["scratch101"])
    assert (filetypes, [kind.size for kind in ages]) == ([KindUse("BAM", 18, 3)], [21])


def test_sums_are_not_believed_beside_directories_of_the_older_tool(database: Database) -> None:
    """It has stored the same night again: its rows have GiB only."""
    store_volume(database, named())
    with database.writing() as connection:
        connection.execute(sa.update(schema.directory).values(size_bytes=None, size=1))
        connection.execute(sa.update(schema.file_size).values(size_bytes=None, size=2))
    filetypes, ages = kinds(database, ["scratch101"])
    assert (filetypes, [kind.size for kind in ages]) == ([KindUse("BAM", 6 * 2**30, 3)], [3 * 2**30])


def test_sums_of_the_last_whole_state_count_while_a_swap_goes_on(database: Database) -> None:
    store_volume(database, named())
    with database.writing() as connection:
        swap = {"volume_id": 1, "record_date": DAY + timedelta(1), "is_whole": False, "directories": True}
        connection.execute(sa.insert(schema.unfinished_swap).values(swap | {"details": "[]"}))
        row = {"record_date": DAY + timedelta(1), "volume_id": 1, "user_id": 1, "group_id": 1, "size": 1}
        connection.execute(sa.insert(schema.user_usage).values(row))
    assert kinds(database, ["scratch101"])[0] == [KindUse("BAM", 30, 3)]


def test_an_older_night_leaves_the_sums(database: Database) -> None:
    store_volume(database, named())
    before = kinds(database, ["scratch101"])
    store_volume(database, named(size=99, day=DAY - timedelta(1)))
    assert kinds(database, ["scratch101"]) == before
    store_volume(database, named(size=99, day=DAY + timedelta(1)))
    assert kinds(database, ["scratch101"])[0] == [KindUse("BAM", 297, 3)]


def test_leftovers_of_the_older_tool_make_sums_unknown(database: Database) -> None:
    store_volume(database, named())
    tag(database, "scratch101", "a1")
    with database.writing() as connection:
        connection.execute(sa.delete(schema.volume_summary))
    recover(database, "scratch101")
    assert kinds(database, ["scratch101"])[0] == [KindUse("BAM", 20, 2)]


def test_history_counts_once_what_is_there_twice(filled: Database) -> None:
    with filled.reading() as connection:
        assert history(connection, VOLUMES) == [
            DatedUse("v1", FIRST, 100, 3, None),
            DatedUse("v2", FIRST, 30, None, None),
            DatedUse("v1", SECOND, 7, 4, None),
            DatedUse("v2", SECOND, 40, 0, None),
        ]
        assert history(connection, VOLUMES, 1) == [
            DatedUse("v1", FIRST, 100, 0, 1000),
            DatedUse("v2", FIRST, 30, None, 50),
            DatedUse("v1", SECOND, 2 * LARGE, 0, 1000),
            DatedUse("v2", SECOND, 40, 0, 50),
        ]
        assert history(connection, VOLUMES, 2) == [
            DatedUse("v1", FIRST, 0, 3, None),
            DatedUse("v1", SECOND, 7, 4, None),
        ]


def test_only_what_has_both_dates_is_compared(filled: Database) -> None:
    """Of v2, the older tool's groups are dated as asked, but no people are."""
    with filled.reading() as connection:
        changed = difference(connection, VOLUMES, FIRST, SECOND)
        assert changed.group_volumes == ["v1", "v2"]
        assert changed.groups == [
            Change("v1", "a", 100, 2 * LARGE),
            Change("v1", "b", 0, 7),
            Change("v2", None, 0, 0),
            Change("v2", "a", 30, 40),
        ]
        assert changed.people_volumes == ["v1"]
        assert changed.people == [Change("v1", "due", 0, LARGE), Change("v1", "uno", 100, LARGE)]
        assert changed.missing == [
            Missing("v2", FIRST, "people", [SECOND]),
            Missing("v3", FIRST, "dump", []),
            Missing("v3", SECOND, "dump", []),
        ]
        between = date(2024, 1, 5)
        assert difference(connection, ["v1"], between, SECOND).missing == [
            Missing("v1", between, "dump", [FIRST, SECOND])
        ]


def test_a_name_that_is_not_stored_is_refused_with_those_that_are(filled: Database) -> None:
    with filled.reading() as connection:
        assert stored_volumes(connection, (), VOLUMES) == VOLUMES
        assert stored_volumes(connection, ("v2",), VOLUMES) == ["v2"]
        with pytest.raises(UsageError, match="no volume 'v9' is stored") as refused:
            stored_volumes(connection, ("v9",), VOLUMES)
        assert refused.value.advice == "Stored volumes are v1, v2."
        with pytest.raises(UsageError, match="no group 'A' is stored"):
            group_key(connection, "A")


def test_reading_makes_no_tables(database_config: DatabaseConfig, tmp_path: object) -> None:
    with pytest.raises(StoreError) as refused:
        read_stored(database_config, lambda _: None)
    if database_config.url.startswith("sqlite"):
        assert "does not exist" in refused.value.message
        with pytest.raises(StoreError):
            read_stored(database_config, lambda _: None)
    else:
        assert "the database has no schema of lurge" in refused.value.message
