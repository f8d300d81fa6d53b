"""Equal dumps give equal rows and equal TSVs, whichever database keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.store.database import Database
from lurge.store.usage import schema
from lurge.store.usage.read.check import look_at
from tests.facts import facts
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql
from tests.site import Entry, Site, run_lurge

GIB = 2**30
LARGE = 2**62
ENTRIES = (
    Entry("/p/users/a/x.bam", 3 * GIB + 1), Entry("/p/users/A/x.bam", 5), Entry("/p/users/a /x.vcf", 7, uid=2),
    Entry("/p/users/\u00e1/x", 9), Entry("/p/tab\tline\nreturn\rback\\slash/x", 11), Entry(b"/p/\xff\xfe/x", 13),
    Entry("/p\\134/users/b/x", 17), Entry("/q/large", LARGE, gid=11), Entry("/q/larger", LARGE + 1, gid=11),
    Entry("/p/.hgi.old.x/y", 19), Entry("/p/old", 1, mtime=-(2**40)), Entry("/elsewhere/x", 23, gid=12345),
    Entry("/p/.vault/keep/07-YS93aHk_Pz8udHh0", 29, inode=7), Entry("/p/\U0001f9ec/\u65e5\u672c", 31),
)  # fmt: skip


def report(folder: Path, url: str) -> tuple[dict[str, dict[str, list[str]]], dict[str, bytes]]:
    """What two nights store, and the last one's TSVs."""
    site = Site(folder)
    site.configure(f'[database]\nurl = "{url}"\n' if url else None)
    site.base_directories((10, "/p"), (10, "/p\\134"), (10, "/p\\\\134"), (11, "/q"))
    site.dump(*ENTRIES[:6], day="20240130")
    site.run()
    site.dump(*ENTRIES)
    site.run()
    database = Database(DatabaseConfig(url=url or f"sqlite:///{site.database}"))
    stored = facts(database)
    assert look_at(database).problems == []
    database.close()
    return stored, site.tsv_bytes()


def test_equal_dumps_give_equal_rows(tmp_path: Path, server: MariaDb, postgres: PostgreSql) -> None:
    expected = report(tmp_path / "sqlite", "")
    assert len(expected[0]["scratch101"]["directory"]) == 12
    for running in (server, postgres):
        stored, tsvs = report(tmp_path / running.superuser, running.new_database("equal"))
        for table, rows in expected[0]["scratch101"].items():
            assert stored["scratch101"][table] == rows, table
        assert tsvs == expected[1]


def test_a_nul_does_not_fail_a_night(tmp_path: Path, postgres: PostgreSql) -> None:
    """PostgreSQL holds none: it stands there as it is shown, in the first night and the second."""
    url = postgres.new_database("nul")
    site = Site(tmp_path / "site")
    site.configure(f'[database]\nurl = "{url}"\n')
    site.base_directories((10, b"/p\0"), (10, b"/p\\x00"))
    for day in ("20240130", "20240131"):
        site.dump(Entry(b"/p\0/a\0/x", 5), Entry(b"/p\\x00/b/x", 6), day=day)
        site.run()
    database = Database(DatabaseConfig(url=url))
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.base_directory.c.directory_path)).scalars().all() == ["/p\\x00"]
        directories = sa.select(schema.directory.c.directory_path, schema.directory.c.size_bytes)
        assert sorted(map(tuple, connection.execute(directories))) == [("a\\x00", 5), ("b", 6)]
    database.close()


def test_commands_on_postgresql_hide_the_password_and_name_missing_privileges(
    tmp_path: Path, postgres: PostgreSql
) -> None:
    """A user who owns the database; then one who may not write."""
    url = postgres.new_database("commands").replace("postgres@", "lurge@")
    postgres.add_user("pass word", "commands")
    site = Site(tmp_path / "site")
    site.configure(f'[database]\nurl = "{url.replace("+psycopg", "")}"\n')
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5))
    password = {"LURGE_DB_PASSWORD": "pass word"}
    site.run(env=password)

    def command(*arguments: str) -> tuple[int, Any]:
        done = run_lurge(*arguments, "--config", str(site.config), "--json", env=password)
        assert "pass word" not in done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout)

    status, checked = command("db", "check")
    assert (status, checked["problems"], checked["notes"]) == (0, [], [])
    assert str(checked["server"]).startswith("PostgreSQL ")
    doctor = [one for one in command("doctor")[1] if one["topic"] == "database"]
    assert [one["verdict"] for one in doctor] == ["ok"]
    postgres.sql("alter database commands owner to postgres; reassign owned by lurge to postgres;", "commands")
    postgres.sql("grant select on all tables in schema public to lurge;", "commands")
    doctor = [one for one in command("doctor")[1] if one["topic"] == "database"]
    assert "INSERT on vault" in doctor[-1]["said"]
    assert "CREATE on schema public" in doctor[-1]["said"]


@pytest.mark.parametrize("wanted", ["ab", "AB", "Ab"])
def test_text_that_people_search_is_found_whatever_its_case(database: Database, wanted: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.insert(schema.vault), [{"filepath": "/p/Xaby"}, {"filepath": "/p/none"}])
    with database.reading() as connection:
        rows = sa.select(schema.vault.c.filepath).where(schema.vault.c.filepath.ilike(f"%{wanted}%"))
        assert connection.execute(rows).scalars().all() == ["/p/Xaby"]
