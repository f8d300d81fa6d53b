"""Benchmark of a volume's swap in SQLite, MariaDB and PostgreSQL, beside the bulk loader of each.

    python -m benchmarks.swap [DIRECTORIES [FILE_SIZES_EACH [RUNS]]]

Starts private servers; needs the same programs as the tests. Both sides store the same rows of `directory` and
`file_size`. The loaders store them into empty tables of the same shape: LOAD DATA and COPY from existing files, and
executemany of sqlite3 from existing lists. The swap also replaces the rows of the day before, names every row, writes
history, reconciles and commits.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import MySQLdb
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.config.warnings import BUILT_IN_LEVELS
from lurge.enrich.forecast import forecast
from lurge.model.directories import Directories, DirectoryUsage
from lurge.model.dump import Dump, Volume
from lurge.model.names import Group
from lurge.model.report import Counts, GroupUsage, UserUsage, VolumeReport
from lurge.store.database import Database
from lurge.store.database.row_text import field
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.swap import NamedReport, store_volume
from tests.services.mariadb import MariaDb
from tests.services.postgresql import PostgreSql

FILETYPES = ("BAM", "CRAM", "FASTQ", "VCF")
GROUPS = 500
TABLES = (schema.directory, schema.file_size)


def make_report(directories: int, sizes: int, day: date) -> NamedReport:
    """The report of a volume. sizes: number of file sizes in each directory."""
    rows = [
        DirectoryUsage(
            number % GROUPS, f"/lustre/scratch101/teams/team{number % GROUPS}", f"users/person{number:07d}",
            number * 4096, 1_700_000_000 - number, 3, tuple(number * 7 + i + 1 for i in range(sizes)),
        )
        for number in range(directories)
    ]  # fmt: skip
    used: dict[tuple[int, str], int] = {}
    for row in rows:
        used[row.gid, row.base] = used.get((row.gid, row.base), 0) + row.size
    total = sum(used.values())
    return NamedReport(
        dump=Dump(Volume("scratch101", "/lustre/scratch101"), Path("dump"), day, 0),
        report=VolumeReport(
            counts=Counts(1, 1, 1, 0, 0, total, 0),
            groups=[GroupUsage(gid, base, size, 0, 1) for (gid, base), size in sorted(used.items())],
            directories=Directories.of(rows),
            users=[UserUsage(1, 0, total, 0, 1)],
            unattributed=[],
            vault=[],
            samples=[],
        ),
        groups={gid: Group(f"team{gid}", None) for gid in range(GROUPS)},
        users={1: "one"},
        filetypes=FILETYPES[:sizes],
        forecast=partial(forecast, levels=BUILT_IN_LEVELS),
    )


def write_rows(database: Database, folder: Path) -> None:
    """Write the stored rows to a file for each table."""
    with database.reading() as connection:
        for table in TABLES:
            with (folder / table.name).open("w") as file:
                for row in connection.execute(sa.select(table).execution_options(yield_per=10_000)):
                    file.write("\t".join(map(field, row)) + "\n")


def load_data(database: Database, folder: Path) -> float:
    """The seconds that LOAD DATA takes for the stored rows, into empty tables of the same shape."""
    write_rows(database, folder)
    with database.writing() as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS load_{table.name}")
            connection.exec_driver_sql(f"CREATE TABLE load_{table.name} LIKE {table.name}")
    # A plain connection of the driver, because lurge's connections refuse to send files.
    url = database.engine.url
    socket = str(url.query["unix_socket"])
    with closing(MySQLdb.connect(unix_socket=socket, user=url.username, db=url.database, local_infile=1)) as plain:
        started = time.monotonic()
        for table in TABLES:
            plain.cursor().execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE load_{table.name} CHARACTER SET utf8mb4",
                (str(folder / table.name),),
            )
        plain.commit()
        return time.monotonic() - started


def copy_from(database: Database, folder: Path) -> float:
    """The seconds that COPY takes for the stored rows, into empty tables of the same shape."""
    write_rows(database, folder)
    with database.writing() as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"CREATE TABLE load_{table.name} (LIKE {table.name} INCLUDING ALL)")
            for number, key in enumerate(table.foreign_keys):
                target = f"{key.column.table.name} ({key.column.name})"
                connection.exec_driver_sql(
                    f"ALTER TABLE load_{table.name} ADD CONSTRAINT load_{table.name}_{number}"
                    f" FOREIGN KEY ({key.parent.name}) REFERENCES {target}"
                )
    started = time.monotonic()
    with database.writing() as connection:
        cursor = connection.connection.cursor()
        for table in TABLES:
            with cursor.copy(f"COPY load_{table.name} FROM STDIN") as copy, (folder / table.name).open("rb") as file:
                while piece := file.read(1 << 20):
                    copy.write(piece)
    seconds = time.monotonic() - started
    with database.writing() as connection:
        # Their foreign keys refer to rows that the next swap deletes.
        for table in TABLES:
            connection.exec_driver_sql(f"DROP TABLE load_{table.name}")
    return seconds


def execute_many(database: Database, folder: Path) -> float:
    """The seconds that sqlite3's executemany takes for the stored rows, into empty tables of the same shape."""
    stored, empty = (sqlite3.connect(path) for path in (str(database), folder / "empty.db"))
    with closing(stored), closing(empty):
        rows = {table.name: stored.execute(f"SELECT * FROM {table.name}").fetchall() for table in TABLES}  # noqa: S608
        for name in rows:
            for (statement,) in stored.execute("SELECT sql FROM sqlite_master WHERE tbl_name = ?", (name,)).fetchall():
                empty.execute(statement)
        started = time.monotonic()
        with empty:
            for name, values in rows.items():
                row = ", ".join("?" * len(values[0]))
                empty.executemany(f"INSERT INTO {name} VALUES ({row})", values)  # noqa: S608
        return time.monotonic() - started


def compare(url: str, loader: Callable[[Database, Path], float], directories: int, sizes: int, runs: int) -> None:
    """Run the swap and the loader in turn, and print their times."""
    database = Database(DatabaseConfig(url=url))
    database.dialect.prepare()
    upgrade(database, USAGE)
    day = date(2024, 1, 1)
    store_volume(database, make_report(directories, sizes, day))
    ratios = []
    for run in range(runs):
        day += timedelta(days=1)
        report = make_report(directories, sizes, day)
        started = time.monotonic()
        store_volume(database, report)
        swapped = time.monotonic() - started
        with tempfile.TemporaryDirectory() as folder:
            loaded = loader(database, Path(folder))
        ratios.append(swapped / loaded)
        print(f"run {run + 1}: swap {swapped:.1f} s, {loader.__name__} {loaded:.1f} s, {ratios[-1]:.2f} times")
    print(f"median {statistics.median(ratios):.2f} times")


def main() -> None:
    directories, sizes, runs = [*map(int, sys.argv[1:]), *(500_000, 4, 3)[len(sys.argv) - 1 :]]
    print(f"{directories:,} directories, {directories * sizes:,} file sizes")
    with tempfile.TemporaryDirectory() as folder:
        compare(f"sqlite:///{folder}/bench.db", execute_many, directories, sizes, runs)
    for kind, loader in ((MariaDb, load_data), (PostgreSql, copy_from)):
        server = kind()
        try:
            compare(server.new_database("bench"), loader, directories, sizes, runs)
        finally:
            server.remove()


if __name__ == "__main__":
    main()
