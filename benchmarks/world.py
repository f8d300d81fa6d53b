"""A synthetic world of one volume: its dump, and the reports that lurge stored."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from lurge.aggregate.era import NEWEST, detect_era
from lurge.config import Config, load_config
from lurge.model.directories import DirectoryUsage, merge
from lurge.model.dump import Dump, days_before
from lurge.model.era import Era
from lurge.source.finding import find_base_directories, find_dumps, read_base_directories

SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True)
class Answers:
    """The group and directory reports as sets of rows, so that the answers of two programs can be compared.

    groups: (group, base directory, bytes, days). directories: (group, base directory, subdirectory, files, bytes,
    days, bytes by the name of the filetype). records: number of attributed records.
    """

    groups: frozenset[tuple[Any, ...]]
    directories: frozenset[tuple[Any, ...]]
    records: int

    def differences(self, other: Answers) -> list[str]:
        """The first few rows that only one of both answers has; an empty list if the answers are equal."""
        rows = [*(self.groups ^ other.groups), *(self.directories ^ other.directories)]
        counts = [(self.records, other.records)] if self.records != other.records else []
        return [repr(row) for row in [*counts, *rows[:6]]]


def not_zero(names: Iterable[str], sizes: Iterable[int]) -> frozenset[tuple[str, int]]:
    """The sizes by name without those of 0, which lurge does not store."""
    return frozenset((name, size) for name, size in zip(names, sizes, strict=True) if size)


@dataclass(frozen=True)
class World:
    """A world that `lurge synth` wrote into a folder."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "lurge.toml"

    @cached_property
    def config(self) -> Config:
        return load_config(self.file)

    @cached_property
    def dump(self) -> Dump:
        return next(find_dumps(self.config.dumps.directory, self.config.dumps.volumes[0]))

    @cached_property
    def first_lines(self) -> bytes:
        with gzip.open(self.dump.path) as lines:
            return lines.read(SAMPLE_BYTES)

    @cached_property
    def era(self) -> Era:
        return detect_era(self.first_lines) or NEWEST

    @cached_property
    def base_directories(self) -> list[tuple[int, bytes]]:
        return read_base_directories(find_base_directories(self.config.dumps.directory, self.dump.record_date))

    @cached_property
    def records(self) -> int:
        """The number of records in the dump, as stored."""
        return int(self._stored("select records from volume_summary where record_date = ?")[0][0])

    def group_names(self) -> dict[int, str]:
        lines = (self.folder / "groups.tsv").read_text().splitlines()
        return {int(gid): name for gid, name, *_ in (line.split("\t") for line in lines)}

    def answers(
        self,
        groups: Iterable[tuple[int, str, int, int, int]],
        directories: Iterable[tuple[int, str, str, int, int, int, tuple[int, ...]]],
    ) -> Answers:
        """Build answers from rows.

        groups: (gid, base directory, bytes, newest mtime, records). directories: (gid, base directory, subdirectory,
        bytes, newest mtime, files, bytes by filetype as configured). Directories that are shown alike are merged.
        """
        names, day = self.group_names(), self.dump.record_date
        types = [filetype.name for filetype in self.config.filetypes]
        rows, merged = list(groups), merge(map(DirectoryUsage._make, directories))
        return Answers(
            frozenset((names.get(gid, str(gid)), base, size, days_before(day, m)) for gid, base, size, m, _ in rows),
            frozenset(
                (names.get(gid, str(gid)), base, name, files, size, days_before(day, newest), not_zero(types, sizes))
                for gid, base, name, size, newest, files, sizes in merged
            ),
            sum(row[-1] for row in rows),
        )

    def stored_answers(self) -> Answers:
        """The answers that lurge stored."""
        groups = self._stored(
            "select group_name, directory_path, used, last_modified from lustre_usage"
            " join base_directory using (base_directory_id) join unix_group on group_id = unix_id where record_date = ?"
        )
        directories = self._stored(
            "select d.directory_id, group_name, b.directory_path, d.directory_path, num_files, size_bytes,"
            " last_modified from directory d join base_directory b using (base_directory_id)"
            " join unix_group using (group_id) where ? > ''"
        )
        sizes: dict[int, list[tuple[str, int]]] = {}
        for directory, name, size in self._stored(
            "select directory_id, filetype_name, size_bytes from file_size join filetype using (filetype_id)"
            " where size_bytes > 0 and ? > ''"
        ):
            sizes.setdefault(directory, []).append((name, size))
        ((attributed,),) = self._stored("select attributed from volume_summary where record_date = ?")
        return Answers(
            frozenset(groups),
            frozenset((*row, frozenset(sizes.get(number, ()))) for number, *row in directories),
            attributed,
        )

    def _stored(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query with one parameter, the dump's record date."""
        day: date = self.dump.record_date
        database = sqlite3.connect(self.folder / "out" / "lurge.db")
        try:
            return database.execute(query, (str(day),)).fetchall()
        finally:
            database.close()
