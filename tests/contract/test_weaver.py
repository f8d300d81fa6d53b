"""The viewer's queries, as they are, on a real server: right answers, through indexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest

from lurge.config.database import DatabaseConfig
from lurge.config.warnings import BUILT_IN_LEVELS
from lurge.enrich.forecast import forecast
from lurge.model.directories import Directories, DirectoryUsage
from lurge.model.dump import Dump, Volume
from lurge.model.names import Group
from lurge.model.report import Counts, GroupUsage, UserUsage, VaultFile, VolumeReport
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.usage.area import USAGE
from lurge.store.usage.swap import NamedReport, store_volume
from tests.services.mariadb import MariaDb

TODAY = date(2024, 8, 31)
DAYS = 240
GROUPS = 12
TIB = 2**40

NEWEST = """SELECT base_directory.volume_id, MAX(record_date) FROM lustre_usage
    JOIN base_directory ON lustre_usage.base_directory_id = base_directory.base_directory_id
    GROUP BY base_directory.volume_id"""

OVERVIEW = """SELECT pi_name, group_name, RIGHT(scratch_disk, 3) AS volume, used, quota, last_modified, warning,
        directory_path, GROUP_CONCAT(DISTINCT RIGHT(scratch_disk, 3) ORDER BY scratch_disk SEPARATOR ', ') AS volumes
    FROM lustre_usage
    LEFT JOIN pi ON lustre_usage.pi_id = pi.pi_id
    LEFT JOIN unix_group ON lustre_usage.unix_id = unix_group.group_id
    LEFT JOIN warning ON lustre_usage.warning_id = warning.warning_id
    JOIN base_directory ON lustre_usage.base_directory_id = base_directory.base_directory_id
    JOIN volume ON base_directory.volume_id = volume.volume_id
    WHERE (base_directory.volume_id, record_date) IN ({newest})
    GROUP BY lustre_usage.record_id"""

DIRECTORIES = """SELECT directory.directory_path, num_files, directory.size, last_modified,
        GROUP_CONCAT(CONCAT(filetype_name, '=', file_size.size) ORDER BY filetype_name) AS filetypes
    FROM directory
    LEFT JOIN file_size ON directory.directory_id = file_size.directory_id
    LEFT JOIN filetype ON file_size.filetype_id = filetype.filetype_id
    WHERE base_directory_id = {base} AND group_id = {group}
    GROUP BY directory.directory_id ORDER BY directory.directory_path"""

USERS = """SELECT user_name, group_name, RIGHT(scratch_disk, 3), size, last_modified FROM user_usage
    JOIN user ON user_usage.user_id = user.user_id
    JOIN unix_group ON user_usage.group_id = unix_group.group_id
    JOIN volume ON user_usage.volume_id = volume.volume_id
    WHERE record_date = (SELECT MAX(record_date) FROM user_usage)"""

VAULT = """SELECT filepath, action_name, group_name, user_name, size FROM vault
    JOIN vault_actions ON vault.vault_action_id = vault_actions.vault_action_id
    JOIN unix_group ON vault.group_id = unix_group.group_id
    JOIN user ON vault.user_id = user.user_id
    WHERE record_date = (SELECT MAX(record_date) FROM vault) AND vault.filepath LIKE '/lustre/scratch101/%'"""

HISTORY = """SELECT record_date, used, quota FROM lustre_usage
    WHERE unix_id = {group} AND base_directory_id = {base} AND record_date > '2024-01-01' ORDER BY record_date"""


def report(volume: str, day: date, age: int) -> NamedReport:
    """A day of one volume: its groups grow by a tebibyte a day."""
    groups = range(GROUPS)
    sizes = {gid: (gid + 1) * TIB + (DAYS - age) * TIB for gid in groups}
    return NamedReport(
        dump=Dump(Volume(volume, f"/lustre/{volume}"), Path("dump"), day, 0),
        report=VolumeReport(
            counts=Counts(1, 1, 1, 0, 0, sum(sizes.values()), 0),
            groups=[GroupUsage(gid, f"/lustre/{volume}/team{gid}", sizes[gid], 0, 1) for gid in groups],
            directories=Directories.of(
                DirectoryUsage(gid, f"/lustre/{volume}/team{gid}", f"d{i}", 3 * 2**30, 0, 2, (2**30, 2**29))
                for gid in groups
                for i in range(3)
            ),
            users=[UserUsage(1, gid, sizes[gid], 0, 1) for gid in groups],
            unattributed=[],
            vault=[VaultFile(f"/lustre/{volume}/team{gid}/x", "Keep", 1, gid, 5, 0) for gid in groups],
            samples=[],
        ),
        groups={gid: Group(f"team{gid}", f"PI {gid % 5}") for gid in groups},
        users={1: "one"},
        filetypes=["BAM", "CRAM"],
        forecast=partial(forecast, levels=BUILT_IN_LEVELS),
        quotas=dict.fromkeys(groups, 260 * TIB),
    )


@pytest.fixture(scope="module")
def viewed(server: MariaDb) -> Iterator[Database]:
    """Eight months of three volumes; the newest date of one is older than of the others."""
    database = Database(DatabaseConfig(url=server.new_database("weaver")))
    upgrade(database, USAGE)
    for number, volume in enumerate(("scratch101", "scratch102", "scratch123")):
        for age in (*range(DAYS, 10, -7), *range(5, -1, -1)):
            store_volume(database, report(volume, TODAY - timedelta(days=age + (number == 2)), age))
    with database.writing() as connection:
        connection.exec_driver_sql(
            "analyze table lustre_usage, user_usage, vault, directory, file_size, base_directory"
        )
    yield database
    database.close()


def ask(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query.replace("%", "%%"))]


def explained(database: Database, query: str) -> dict[str, tuple[str, str, int]]:
    """By table: how it is read, by which key, and how many rows."""
    with database.reading() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN {query}".replace("%", "%%")).mappings().all()
    return {str(row["table"]): (row["type"], row["key"], int(row["rows"] or 0)) for row in rows}


def test_the_viewer_finds_the_newest_date_of_each_volume(viewed: Database) -> None:
    found = dict(ask(viewed, NEWEST))  # type: ignore[arg-type]
    assert list(found.values()) == [TODAY, TODAY, TODAY - timedelta(days=1)]


def test_the_viewer_finds_the_usage_of_every_group(viewed: Database) -> None:
    rows = ask(viewed, OVERVIEW.format(newest=NEWEST))
    assert len(rows) == 3 * GROUPS
    first = next(row for row in rows if row[1:3] == ("team3", "123"))
    assert first == ("PI 3", "team3", "123", (4 + DAYS) * TIB, 260 * TIB, first[5], "Not OK",
                     "/lustre/scratch123/team3", "123")  # fmt: skip
    assert explained(viewed, OVERVIEW.format(newest=NEWEST))["lustre_usage"][0] in ("ref", "range", "eq_ref", "ALL")


def keys(database: Database, path: str) -> dict[str, int]:
    found = "select base_directory_id, unix_id from base_directory join lustre_usage using (base_directory_id)"
    base, group = ask(database, f"{found} where directory_path = '{path}' limit 1")[0]
    return {"base": int(str(base)), "group": int(str(group))}


def test_the_viewer_finds_the_directories_of_a_base_directory_by_index(viewed: Database) -> None:
    place = keys(viewed, "/lustre/scratch101/team3")
    rows = ask(viewed, DIRECTORIES.format(**place))
    assert [row[:3] for row in rows] == [("d0", 2, 3.0), ("d1", 2, 3.0), ("d2", 2, 3.0)]
    assert rows[0][4] == "BAM=1,CRAM=0.5"
    plan = explained(viewed, DIRECTORIES.format(**place))
    assert plan["directory"][0] == "ref"
    assert plan["file_size"][0] == "ref"


def test_the_viewer_finds_users_and_vault_by_index(viewed: Database) -> None:
    assert {row[2] for row in ask(viewed, USERS)} == {"101", "102"}
    assert len(ask(viewed, USERS)) == 2 * GROUPS
    assert len(ask(viewed, VAULT)) == GROUPS
    for query, table in ((USERS, "user_usage"), (VAULT, "vault")):
        kind, _, rows = explained(viewed, query)[table]
        assert kind == "ref"
        assert rows <= 4 * GROUPS


def test_the_viewer_finds_the_history_of_a_group_by_index(viewed: Database) -> None:
    place = keys(viewed, "/lustre/scratch101/team3")
    rows = ask(viewed, HISTORY.format(**place))
    assert len(rows) == len(range(DAYS, 10, -7)) + 6
    assert rows[-1] == (TODAY, (4 + DAYS) * TIB, 260 * TIB)
    kind, _, read = explained(viewed, HISTORY.format(**place))["lustre_usage"]
    assert kind == "range"
    assert read <= len(rows) + 2


def types_of(database: Database, query: str) -> dict[str, int]:
    """The type of each column of a result, as the server tells the driver."""
    with database.reading() as connection:
        described = connection.exec_driver_sql(query.replace("%", "%%")).cursor.description
    return {column[0]: column[1] for column in described}


def test_types_are_those_that_the_viewer_compares(viewed: Database) -> None:
    """Its driver hands a BIGINT on as a type that it compares wrongly; it converts only `used`, `quota`, `num_files`
    and `size`."""
    from MySQLdb.constants import FIELD_TYPE

    usage = types_of(viewed, OVERVIEW.format(newest=NEWEST))
    assert usage["last_modified"] == FIELD_TYPE.LONG
    assert usage["used"] == usage["quota"] == FIELD_TYPE.LONGLONG
    assert {usage[name] for name in ("pi_name", "group_name", "warning")} == {FIELD_TYPE.VAR_STRING}
    directories = types_of(viewed, DIRECTORIES.format(**keys(viewed, "/lustre/scratch101/team3")))
    assert directories["last_modified"] == FIELD_TYPE.LONG
    assert directories["size"] == FIELD_TYPE.DOUBLE
    assert types_of(viewed, USERS)["last_modified"] == FIELD_TYPE.DATE
    assert (
        types_of(viewed, HISTORY.format(**keys(viewed, "/lustre/scratch101/team3")))["record_date"] == FIELD_TYPE.DATE
    )


def test_paths_are_found_whatever_their_case(viewed: Database) -> None:
    assert len(ask(viewed, "select filepath from vault where filepath like '%SCRATCH101/Team3/%'")) > 0
    assert len(ask(viewed, "select directory_path from directory where directory_path = 'D0'")) == 3 * GROUPS


def test_names_that_differ_in_case_are_two(viewed: Database) -> None:
    assert ask(viewed, "select count(*) from unix_group where group_name = 'TEAM3'") == [(0,)]
