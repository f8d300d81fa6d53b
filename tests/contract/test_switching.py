"""From the older tool to this program on one database, and back: what its statements stored and will store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from MySQLdb.constants import FLAG

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreError
from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.check import look_at
from lurge.store.usage.read.dates import NewestDates, newest_dates, stored_dates
from lurge.store.usage.read.leftovers import aligned
from lurge.store.usage.repair import repair_database
from tests.facts import facts
from tests.services import old_tool
from tests.services.mariadb import MariaDb
from tests.services.old_tool import OlderTool, Usage
from tests.site import Entry, Site, run_lurge

VOLUME = "scratch101"
FIRST = date(2024, 1, 20)
NIGHTS = 9
DAYS_LATE = 2
BASE = "/lustre/scratch101/ten"


def night(tool: OlderTool, named: date, changed: date, used: int) -> None:
    """One night of the older tool, whose programs each ask whether there is something to do."""
    if not tool.is_stored("lustre_usage", VOLUME, changed):
        groups = [Usage("ten", BASE, used, directories={"users/uno": (3, 1.26, 4.2, {"BAM": 1.01})})]
        tool.store_groups(VOLUME, changed, groups)
    if not tool.is_stored("user_usage", VOLUME, named):
        tool.store_users(VOLUME, named, [("uno", "ten", used, named), ("", "ten", 5, named)])
    if not tool.is_stored("vault", VOLUME, named):
        tool.store_vault(VOLUME, named, [(f"{BASE}/kept", "Keep", "uno", "ten", 7, named)])


def file_of(site: Site, day: date, size: int, changed: date) -> Path:
    """A dump whose file was changed at noon of a day."""
    path = site.dump(Entry(f"{BASE}/users/uno/x.bam", size), day=f"{day:%Y%m%d}")
    seconds = datetime(changed.year, changed.month, changed.day, 12, tzinfo=UTC).timestamp()
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def switching(site: Site, server: MariaDb) -> Iterator[tuple[Site, Database]]:
    """A site with nine nights of the older tool, each dump stored two days after the date in its name."""
    url = server.new_database("switching")
    site.configure(f'[database]\nurl = "{url}"\n')
    site.base_directories((10, BASE))
    database = Database(DatabaseConfig(url=url))
    old_tool.make_tables(database)
    for i in range(NIGHTS):
        named = FIRST + timedelta(i)
        with database.stepping() as connection:
            night(OlderTool(connection), named, named + timedelta(DAYS_LATE), 100 + i)
        file_of(site, named, 100 + i, named + timedelta(DAYS_LATE))
    yield site, database
    database.close()


def usage(database: Database) -> dict[date, list[int]]:
    """Bytes by date."""
    with database.reading() as connection:
        found: dict[date, list[int]] = {}
        for day, used in connection.execute(sa.select(schema.lustre_usage.c["record_date", "used"])):
            found.setdefault(day, []).append(used)
    return found


def test_a_dump_that_the_older_tool_stored_does_not_come_twice(switching: tuple[Site, Database]) -> None:
    """And one whose date it gave to another dump comes in."""
    site, database = switching
    last = FIRST + timedelta(NIGHTS - 1)
    assert "stored already" in site.run("-v").stderr
    assert usage(database) == {FIRST + timedelta(i + DAYS_LATE): [100 + i] for i in range(NIGHTS)}
    for kind in ("report-output-files", "user-reports", "vault-reports"):
        assert len(site.tsv(kind)) > 1, kind
    with database.reading() as connection:
        assert max(stored_dates(connection, VOLUME)) == last
        assert newest_dates(connection, VOLUME) == NewestDates(last + timedelta(DAYS_LATE), last, last)
    assert run_lurge("backfill", "--config", str(site.config)).returncode == 0
    assert sum(map(len, usage(database).values())) == NIGHTS
    # Usage of this date is stored, of the last dump.
    new = last + timedelta(DAYS_LATE)
    file_of(site, new, 500, new)
    site.run()
    assert usage(database)[new] == [500]
    with database.reading() as connection:
        assert newest_dates(connection, VOLUME) == NewestDates(new, new, new)


def test_dates_are_corrected_on_request(switching: tuple[Site, Database]) -> None:
    site, database = switching
    site.run()
    before = facts(database)
    said = run_lurge("db", "check", "--config", str(site.config))
    assert said.returncode == 1
    assert f"of {NIGHTS} dumps is stored under the date of the file" in said.stdout
    assert facts(database) == before
    said = run_lurge("db", "check", "--repair", "--config", str(site.config))
    assert said.returncode == 0, said.stdout
    assert "1 rows of group usage of 2024-01-30 are dated 2024-01-28" in said.stdout
    assert usage(database) == {FIRST + timedelta(i): [100 + i] for i in range(NIGHTS)}
    assert run_lurge("db", "check", "--config", str(site.config)).returncode == 0
    new = FIRST + timedelta(NIGHTS)
    file_of(site, new, 500, new + timedelta(1))
    site.run()
    assert sorted(usage(database)) == [FIRST + timedelta(i) for i in range(NIGHTS + 1)]


def test_usage_that_stands_twice_is_deleted_on_request(switching: tuple[Site, Database]) -> None:
    """The older tool's of a dump that this program has stored by its name."""
    site, database = switching
    site.run("--force")
    last = FIRST + timedelta(NIGHTS - 1)
    assert usage(database)[last] == [108]
    assert [row[3] for row in site.tsv("report-output-files")[1:]] == ["108"]
    done = repair_database(database)
    assert done[-1].endswith("2024-01-30 are deleted, because 2024-01-28 is stored, too")
    assert usage(database)[last] == [108]
    # What stood under the last date, of the dump two days before, was replaced.
    lost = last - timedelta(DAYS_LATE)
    assert sorted(usage(database)) == [day for i in range(NIGHTS) if (day := FIRST + timedelta(i)) != lost]
    assert usage(database)[last - timedelta(1)] == [107]


def days(text: str) -> list[date]:
    return [date(2024, 1, int(number)) for number in text.split()]


@pytest.mark.parametrize(
    ("late", "early", "pairs"),
    [
        ("2 3 4", "2 3 4", "2-2 3-3 4-4"),
        ("2 3 4", "1 2 3", "2-1 3-2 4-3"),
        ("2 4", "2 3 4", "2-2 4-4"),
        ("2 3 4", "2 4", "2-2 4-4"),
        ("4 5 6 8 9", "2 3 4 5 6 7", "4-2 5-3 6-4 8-6 9-7"),
        ("5 6 9", "1 2 8", "5-1 6-2 9-8"),
        ("1", "2", ""),
        ("", "2", ""),
        ("2", "", ""),
        ("30", "1 20", "30-20"),
    ],
)
def test_dates_are_paired_in_order(late: str, early: str, pairs: str) -> None:
    wanted = [tuple(days(pair.replace("-", " "))) for pair in pairs.split()]
    assert aligned(days(late), days(early)) == wanted


@pytest.fixture
def ours(site: Site, server: MariaDb) -> Iterator[tuple[Site, Database]]:
    """A site on which this program ran first."""
    url = server.new_database("way_back")
    site.configure(f'[database]\nurl = "{url}"\n')
    site.base_directories((10, BASE))
    file_of(site, FIRST, 100, FIRST)
    site.run()
    database = Database(DatabaseConfig(url=url))
    yield site, database
    database.close()


def test_the_older_tool_and_lurge_take_turns_on_one_database(ours: tuple[Site, Database]) -> None:
    """Its statements store a night beside what this program stored, which goes on the night after."""
    site, database = ours
    with database.stepping() as connection:
        tool = OlderTool(connection)
        assert tool.is_stored("user_usage", VOLUME, FIRST)
        night(tool, FIRST + timedelta(1), FIRST + timedelta(1), 200)
    with database.reading() as connection:
        rows = connection.exec_driver_sql("select directory_path, size, last_modified from directory").all()
        assert [tuple(row) for row in rows] == [("users/uno", 1.26, 4)]
    assert usage(database) == {FIRST: [100], FIRST + timedelta(1): [200]}
    assert look_at(database).problems == []
    file_of(site, FIRST + timedelta(2), 300, FIRST + timedelta(2))
    site.run()
    assert usage(database)[FIRST + timedelta(2)] == [300]


def test_old_drivers_return_text_as_text(ours: tuple[Site, Database]) -> None:
    """Those of the older tool's time take a long text that compares by its bytes for bytes."""
    _, database = ours
    with database.reading() as connection:
        for table in schema.metadata.sorted_tables:
            if table in (schema.unfinished_swap, schema.job_lock):
                continue
            cursor: Any = connection.execute(sa.select(*table.c)).cursor
            for column, flags in zip(table.c, cursor.description_flags, strict=True):
                is_bytes = flags & FLAG.BLOB and flags & FLAG.BINARY
                assert not is_bytes, f"{table.name}.{column.name}"


def test_lookup_tables_have_two_columns(ours: tuple[Site, Database]) -> None:
    """The older tool selects all of them."""
    _, database = ours
    with database.reading() as connection:
        for table in ("pi", "unix_group", "volume", "vault_actions", "user", "filetype"):
            assert len(sa.inspect(connection).get_columns(table)) == 2


def test_a_group_that_the_older_tool_adds_twice_is_refused_or_repaired(ours: tuple[Site, Database]) -> None:
    """With unique names its night ends; without them both rows come in, and become one again on request."""
    site, database = ours
    new = [Usage("new", BASE, 5), Usage("new", f"{BASE}/other", 6)]
    with pytest.raises(StoreError, match="Duplicate"), database.stepping() as connection:
        OlderTool(connection).store_groups(VOLUME, FIRST + timedelta(1), new)
    with database.stepping() as connection:
        OlderTool(connection).store_groups(VOLUME, FIRST + timedelta(2), new)
    with database.writing() as connection:
        connection.exec_driver_sql("alter table unix_group drop index uq_unix_group_group_name")
    newer = [Usage("newer", BASE, 5), Usage("newer", f"{BASE}/other", 6)]
    with database.stepping() as connection:
        OlderTool(connection).store_groups(VOLUME, FIRST + timedelta(3), newer)
    (problem,) = look_at(database).problems
    assert problem.startswith("names of groups have no unique key (repeated names: 1)")
    file_of(site, FIRST + timedelta(4), 300, FIRST + timedelta(4))
    site.run()
    assert run_lurge("db", "check", "--repair", "--config", str(site.config)).returncode == 0
    with database.reading() as connection:
        query = "select group_name, sum(used) from lustre_usage join unix_group on unix_id = group_id group by group_id"
        rows = connection.exec_driver_sql(f"{query} order by group_name").all()
        assert [(name, int(used)) for name, used in rows] == [("new", 16), ("newer", 11), ("ten", 400)]
    with pytest.raises(StoreError, match="Duplicate"), database.writing() as connection:
        connection.exec_driver_sql("insert into unix_group (group_name) values ('ten')")
