"""How long a volume's swap takes on a MariaDB server, beside LOAD DATA of the same rows.

    python -m benchmarks.swap [DIRECTORIES [FILE_SIZES_EACH [RUNS]]]

Starts a private server; needs the programs that the tests need. Both sides store the rows of `directory` and
`file_size`, LOAD DATA from files that are there already into tables of the same shape; the swap also replaces the rows
of the day before, names every row, writes history, reconciles, and commits.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from lurge.config.settings import BUILT_IN_LEVELS, DatabaseConfig
from lurge.enrich.forecast import forecast
from lurge.model.directories import Directories, DirectoryUsage
from lurge.model.dump import Dump, Volume
from lurge.model.names import Group
from lurge.model.report import Counts, GroupUsage, UserUsage, VolumeReport
from lurge.store import schema
from lurge.store.bulk import field
from lurge.store.database import Database
from lurge.store.swap import NamedReport, store_volume
from lurge.store.upgrade import upgrade
from tests.services.mariadb import MariaDb

FILETYPES = ("BAM", "CRAM", "FASTQ", "VCF")
GROUPS = 500


def make_report(directories: int, sizes: int, day: date) -> NamedReport:
    """A volume of so many directories with so many file sizes each."""
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


def load(database: Database, folder: Path) -> float:
    """Seconds that LOAD DATA takes for the stored rows, into empty tables of the same shape."""
    tables = (schema.directory, schema.file_size)
    with database.writing() as connection:
        for table in tables:
            with (folder / table.name).open("w") as file:
                for row in connection.execution_options(yield_per=10_000).execute(sa.select(table)):
                    file.write("\t".join(map(field, row)) + "\n")
    with database.writing() as connection:
        for table in tables:
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS load_{table.name}")
            connection.exec_driver_sql(f"CREATE TABLE load_{table.name} LIKE {table.name}")
    started = time.monotonic()
    with database.writing() as connection:
        for table in tables:
            place = (str(folder / table.name),)
            connection.exec_driver_sql(f"LOAD DATA LOCAL INFILE %s INTO TABLE load_{table.name}", place)
    return time.monotonic() - started


def main() -> None:
    directories, sizes, runs = [*map(int, sys.argv[1:]), *(500_000, 4, 3)[len(sys.argv) - 1 :]]
    server = MariaDb()
    try:
        database = Database(DatabaseConfig(server.new_database("bench")))
        upgrade(database)
        day = date(2024, 1, 1)
        report = make_report(directories, sizes, day)
        store_volume(database, report)
        ratios = []
        print(f"{directories:,} directories, {directories * sizes:,} file sizes")
        for run in range(runs):
            day += timedelta(days=1)
            report = make_report(directories, sizes, day)
            started = time.monotonic()
            store_volume(database, report)
            swapped = time.monotonic() - started
            with tempfile.TemporaryDirectory() as folder:
                loaded = load(database, Path(folder))
            ratios.append(swapped / loaded)
            print(f"run {run + 1}: swap {swapped:.1f} s, LOAD DATA {loaded:.1f} s, {ratios[-1]:.2f} times")
        print(f"median {statistics.median(ratios):.2f} times")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
