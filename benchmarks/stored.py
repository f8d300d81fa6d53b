"""A database of many months, made directly: volumes, groups, directories, and the history of each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, chain, count
from typing import Any

import sqlalchemy as sa

from benchmarks.wide import team_path
from lurge.model.overview import AGES
from lurge.store.database import Database
from lurge.store.database.bulk import ids_of, insert_rows
from lurge.store.database.upgrade import upgrade
from lurge.store.usage import schema
from lurge.store.usage.area import USAGE
from lurge.store.usage.steps import TOTALS

FILETYPES = ("BAM", "CRAM", "FASTQ", "VCF", "Archived", "Compressed", "Uncompressed", "BED")
STATES = ("Keep", "Archive", "Staged", "Limbo", "Stash")
TIB = 2**40
GROUPS_OUTSIDE = 20
"""Groups of each volume that use something outside its base directories."""


@dataclass(frozen=True)
class Size:
    """The size of a database. people: pairs of a user and a group on each volume. kept: files in vaults there."""

    volumes: int = 20
    groups: int = 400
    users: int = 2000
    bases: int = 3000
    directories: int = 2_000_000
    days: int = 240
    people: int = 250
    kept: int = 200


class Stored:
    """The rows of a database. Some groups and base directories are much larger than others, always the same ones."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.today = datetime.now(UTC).date()
        self._random = random.Random(8)  # noqa: S311
        weights = [1 / (number + 1) ** 0.7 for number in range(size.groups)]
        owners = self._random.choices(range(1, size.groups + 1), weights, k=size.bases)
        volumes = [1 + number % size.volumes for number in range(size.bases)]
        self.bases = list(zip(count(1), volumes, owners, strict=False))
        """(key, volume, group)"""
        self.people = [
            (volume, self._random.randint(1, size.users), self._random.randint(1, size.groups))
            for volume in range(1, size.volumes + 1)
            for _ in range(size.people)
        ]
        """(volume, user, group)"""
        shares = [1 / (1 + number // size.volumes) ** 0.8 for number in range(size.bases)]
        bounds = [round(bound / sum(shares) * size.directories) for bound in accumulate(shares)]
        self.counts = [after - before for before, after in zip([0, *bounds], bounds, strict=False)]

    @property
    def days(self) -> list[date]:
        return [self.today - timedelta(days=number) for number in reversed(range(self.size.days))]

    def volume(self, number: int) -> str:
        return f"scratch{100 + number}"

    def base(self, key: int, volume: int) -> str:
        """The path of a base directory. Those of the first volume are in the tree, too."""
        return team_path(self.volume(volume), (key - 1) // self.size.volumes)

    def fill(self, database: Database) -> None:
        """Make the tables and insert all rows."""
        database.dialect.prepare()
        upgrade(database, USAGE)
        for rows in (self._names, self._directories, self._usage, self._people, self._vault, self._summaries):
            with database.writing() as connection, database.dialect.unchecked_keys(connection):
                rows(connection)
        database.dialect.tidy(database.engine)
        if database.engine.dialect.name in ("mysql", "mariadb"):
            # As after months. The server itself counts a while after the first rows, and until then has poor plans.
            with database.engine.connect() as connection:
                for table in schema.metadata.tables:
                    connection.exec_driver_sql(f"ANALYZE TABLE {table}").all()

    def _names(self, connection: sa.Connection) -> None:
        for table, names in (
            (schema.volume, map(self.volume, range(1, self.size.volumes + 1))),
            (schema.unix_group, (f"group{number:03}" for number in range(1, self.size.groups + 1))),
            (schema.pi, (f"Dr {number:03}" for number in range(1, self.size.groups + 1))),
            (schema.user, (f"user{number:04}" for number in range(1, self.size.users + 1))),
            (schema.filetype, FILETYPES),
            (schema.vault_actions, STATES),
        ):
            ids_of(connection, table, names)
        rows = ((key, self.base(key, volume), volume) for key, volume, _ in self.bases)
        insert_rows(connection, schema.base_directory, ("base_directory_id", "directory_path", "volume_id"), rows)

    def _directories(self, connection: sa.Connection) -> None:
        columns = ("directory_id", "directory_path", "num_files", "size", "last_modified", "pi_id", "group_id",
                   "base_directory_id", "size_bytes")  # fmt: skip
        insert_rows(connection, schema.directory, columns, self._directory_rows())
        sizes = ("directory_id", "filetype_id", "size", "size_bytes")
        insert_rows(connection, schema.file_size, sizes, self._file_size_rows())
        self._totals(connection)

    def _totals(self, connection: sa.Connection) -> None:
        """Sum the directories as a swap does. All sums fit into 63 bits."""
        directory, base, size = schema.directory, schema.base_directory, schema.file_size
        younger = [(directory.c.last_modified < limit, number) for number, (_, limit) in enumerate(AGES)]
        age = sa.case(*younger, else_=len(AGES))
        keys = (base.c.volume_id, directory.c.group_id)
        of_types = sa.select(*keys, size.c.filetype_id, sa.func.sum(size.c.size_bytes)).join_from(size, directory)
        of_types = of_types.group_by(size.c.filetype_id)
        of_ages = sa.select(*keys, age.label("age"), sa.func.sum(directory.c.size_bytes)).select_from(directory)
        of_ages = of_ages.group_by(sa.literal_column("age"))
        rows: list[tuple[Any, ...]] = []
        for query, is_age in ((of_types, False), (of_ages, True)):
            grouped = query.add_columns(sa.func.count()).group_by(*keys)
            of_base = base.c.base_directory_id == directory.c.base_directory_id
            for volume, group, kind, total, number in connection.execute(grouped.join(base, of_base)):
                kinds = (None, kind) if is_age else (kind, None)
                rows.append((volume, self.today.isoformat(), group, *kinds, int(total), number))
        insert_rows(connection, schema.directory_totals, ("volume_id", "record_date", *TOTALS), rows)

    def _directory_rows(self) -> Iterator[tuple[Any, ...]]:
        key = 0
        for (base, _, group), number in zip(self.bases, self.counts, strict=True):
            for place in range(number):
                key += 1
                size = key * 7919 % TIB
                path = f"project{place % 40:02}/sample_{place:07}"
                yield key, path, key % 900, round(size / 2**30, 2), key % 2500, group, group, base, size

    def _file_size_rows(self) -> Iterator[tuple[Any, ...]]:
        for key in range(1, sum(self.counts) + 1):
            size = key * 7919 % TIB // 4
            for filetype in range(3):
                yield key, 1 + (key + 3 * filetype) % len(FILETYPES), round(size / 2**30, 2), size

    def _usage(self, connection: sa.Connection) -> None:
        columns = ("used", "quota", "record_date", "last_modified", "pi_id", "unix_id", "warning_id",
                   "base_directory_id", "expected_in_3_days", "expected_in_7_days", "quota_reached")  # fmt: skip
        quotas: dict[tuple[int, int], int] = {}
        for key, volume, group in self.bases:
            quotas[volume, group] = quotas.get((volume, group), 0) + self._used(key, self.size.days)
        rows = (
            (
                self._used(key, number), quotas[volume, group] * 9 // 8, day.isoformat(), key % 400, group, group,
                1 + (group % 9 == 0) + (group % 27 == 0), key, self._used(key, number + 3), self._used(key, number + 7),
                (day + timedelta(days=group)).isoformat(),
            )
            for number, day in enumerate(self.days)
            for key, volume, group in self.bases
        )  # fmt: skip
        insert_rows(connection, schema.lustre_usage, columns, rows)

    def _used(self, key: int, number: int) -> int:
        """The use of a base directory on a day: most grow, some vary."""
        return int(self.counts[key - 1]) * TIB // 64 * (1000 + number * (key % 3) + (key + number) % 5) // 1000

    def _people(self, connection: sa.Connection) -> None:
        columns = ("record_date", "user_id", "group_id", "volume_id", "last_modified", "num_files", "size")
        rows = (
            (day.isoformat(), user, group, volume, (day - timedelta(days=user % 90)).isoformat(), user * 31 + number,
             (user * 1009 + group * 31 + number) * 2**26)
            for number, day in enumerate(self.days)
            for volume, user, group in self.people
        )  # fmt: skip
        insert_rows(connection, schema.user_usage, columns, rows)

    def _vault(self, connection: sa.Connection) -> None:
        columns = ("record_date", "filepath", "group_id", "vault_action_id", "size", "user_id", "last_modified",
                   "volume_id")  # fmt: skip
        of_volume: dict[int, list[tuple[int, int, int]]] = {}
        for base in self.bases:
            of_volume.setdefault(base[1], []).append(base)
        rows = (
            (day.isoformat(), f"{self.base(key, volume)}/project{place % 40:02}/kept_{place:05}.cram", group,
             1 + place % len(STATES), place * 2**28, 1 + place % self.size.users, day.isoformat(), volume)
            for day in self.days
            for volume, bases in of_volume.items()
            for place in range(self.size.kept)
            for key, _, group in [bases[place % len(bases)]]
        )  # fmt: skip
        insert_rows(connection, schema.vault, columns, rows)

    def _summaries(self, connection: sa.Connection) -> None:
        columns = ("volume_id", "record_date", "records", "attributed", "unattributed", "vanished", "rejected",
                   "attributed_bytes", "unattributed_bytes", "dump_modified")  # fmt: skip
        volumes = range(1, self.size.volumes + 1)
        summaries = (
            (volume, day.isoformat(), 10**8 + number, 10**8, number, 0, 0, volume * 10**14, number * 10**9, number)
            for number, day in enumerate(self.days)
            for volume in volumes
        )
        insert_rows(connection, schema.volume_summary, columns, summaries)
        outside = chain.from_iterable(
            ((volume, day.isoformat(), group, group * 10**9 + number, 10) for group in range(1, GROUPS_OUTSIDE + 1))
            for number, day in enumerate(self.days)
            for volume in volumes
        )
        names = ("volume_id", "record_date", "group_id", "used", "num_records")
        insert_rows(connection, schema.unattributed_usage, names, outside)
