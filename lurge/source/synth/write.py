"""Writing synthetic worlds: dumps in any era, base directories, names, quotas and a configuration."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lurge.errors import OutputError
from lurge.model.dump import Dump
from lurge.model.dump import Volume as NamedVolume
from lurge.model.era import (
    QUOTED_11,
    QUOTED_12,
    SORTED_11,
    SORTED_ALPHABET,
    STANDARD_11,
    STANDARD_ALPHABET,
    Encoding,
    Era,
)
from lurge.source.deflate import deflating
from lurge.source.naming import folder_mount
from lurge.source.quote import quote_inside
from lurge.source.synth.lines import Words, write_lines
from lurge.source.synth.people import SUFFIXES, Person, Team, make_people
from lurge.source.synth.world import DEVICE, Bunch, Single, Volume, make_files, plan_volume

FILES_AT_ONCE = 100_000
GROWTH_A_DAY = 0.01
SUFFIX_WORDS = Words.of(list(SUFFIXES))
LONGEST_REST = 200
TO_SORTED = bytes.maketrans(STANDARD_ALPHABET, SORTED_ALPHABET)


@dataclass(frozen=True)
class Style:
    """The format of the dumps of one wrstat version."""

    era: Era
    is_sorted: bool

    def encode(self, path: bytes) -> bytes:
        """The encoded form of a whole path."""
        if self.era.encoding is Encoding.QUOTED:
            return b'"' + quote_inside(path) + b'"'
        standard = base64.b64encode(path)
        return standard.translate(TO_SORTED) if self.era.encoding is Encoding.SORTED else standard


STYLES = {
    "mpistat": Style(STANDARD_11, is_sorted=False),
    "5.0": Style(STANDARD_11, is_sorted=False),
    "5.1": Style(SORTED_11, is_sorted=False),
    "5.2": Style(QUOTED_11, is_sorted=False),
    "6.0": Style(QUOTED_11, is_sorted=True),
    "6.4": Style(QUOTED_12, is_sorted=True),
}
"""Styles by the first version of wrstat that writes them."""


@dataclass(frozen=True)
class World:
    """The parameters of a world. eras: names in STYLES, assigned to the volumes in turn. records: in each volume."""

    seed: int
    volumes: tuple[str, ...]
    records: int
    eras: tuple[str, ...]
    dates: int
    newest: date
    teams: int = 36
    people: int = 120


def make_world(world: World, directory: Path) -> Iterator[tuple[Path, int]]:
    """Write a world below `directory`. Yields each dump and its number of records when it is complete.

    Equal parameters give byte-for-byte equal files. Raises OutputError.
    """
    random = np.random.default_rng(world.seed)
    teams, people = make_people(random, world.teams, world.people)
    try:
        dumps = directory / "dumps"
        dumps.mkdir(parents=True, exist_ok=True)
        plans = [
            plan_volume(world.seed, number, f"/lustre/{name}", world.records, world.newest, teams)
            for number, name in enumerate(world.volumes)
        ]
        write_site(world, directory, teams, people, plans)
        for number, (name, plan) in enumerate(zip(world.volumes, plans, strict=True)):
            era = world.eras[number % len(world.eras)]
            for days_ago in range(world.dates - 1, -1, -1):
                day = world.newest - timedelta(days=days_ago)
                path = dump_path(dumps, world.seed, NamedVolume(name, plan.mount), era, day)
                path.parent.mkdir(exist_ok=True)
                dump = Dump(NamedVolume(name, plan.mount), path, day, 0)
                seed = np.random.default_rng([world.seed, number, day.toordinal()])
                with path.open("wb") as file:
                    yield path, DumpWriter(file, STYLES[era], dump, seed).write(plan, 1 - GROWTH_A_DAY * days_ago)
    except OSError as error:
        raise OutputError.at(error.filename or directory, error) from error


def dump_path(dumps: Path, seed: int, volume: NamedVolume, era: str, day: date) -> Path:
    """The path of a dump: a file in old eras, a file in a folder of its own in new eras."""
    if era.startswith("6"):
        return dumps / f"{day:%Y%m%d}-210000_{folder_mount(volume.mount)}" / "stats.gz"
    return dumps / f"{day:%Y%m%d}_{volume.name}.s{seed}.{day.toordinal():x}.stats.gz"


class DumpWriter:
    """Writer of one dump."""

    def __init__(self, file: BinaryIO, style: Style, dump: Dump, random: np.random.Generator) -> None:
        self._file = file
        self._style = style
        self._dump = dump
        self._random = random
        self._packer = deflating()
        self._scratch = np.zeros(1 << 16, np.uint8)

    def write(self, plan: Volume, share: float) -> int:
        """Write about `share` of the plan's bunched files, and all other entries. Returns the number of records."""
        items: list[Single | Bunch] = [*plan.singles, *plan.bunches]
        if self._style.is_sorted:
            items.sort(key=sort_key)
        else:
            items = [items[i] for i in self._random.permutation(len(items)).tolist()]
        items = [self._shrink(item, share) if isinstance(item, Bunch) else item for item in items]
        waiting: list[Single | Bunch] = []
        files = 0
        for item in items:
            waiting.append(item)
            files += item.files if isinstance(item, Bunch) else 1
            if files >= FILES_AT_ONCE:
                self._put(waiting)
                waiting, files = [], 0
        self._put(waiting)
        self._file.write(self._packer.flush())
        return sum(item.files if isinstance(item, Bunch) else 1 for item in items)

    @staticmethod
    def _shrink(bunch: Bunch, share: float) -> Bunch:
        files = max(1, round(bunch.files * share))
        return Bunch(bunch.prefix, files, bunch.uid, bunch.gid, bunch.first_inode)

    def _line(self, entry: Single) -> bytes:
        era = self._style.era
        slash = b"/" if entry.kind == b"d" and self._style.is_sorted else b""
        columns = [
            self._style.encode(entry.path + slash),
            *(b"%d" % value for value in (entry.size, entry.uid, entry.gid, entry.mtime, entry.mtime, entry.mtime)),
            entry.kind,
            *(b"%d" % value for value in (entry.inode, entry.nlink, DEVICE, entry.size)),
        ]
        return b"\t".join(columns[: era.columns]) + b"\n"

    def _put(self, items: list[Single | Bunch]) -> None:
        """Write the lines of some items."""
        bunches = [item for item in items if isinstance(item, Bunch)]
        text = iter(self._texts(bunches) if bunches else ())
        lines = (next(text) if isinstance(item, Bunch) else self._line(item) for item in items)
        self._file.write(self._packer.compress(b"".join(lines)))

    def _texts(self, bunches: list[Bunch]) -> Iterator[memoryview]:
        """The lines of each bunch."""
        era = self._style.era
        quoted = era.encoding is Encoding.QUOTED
        prefixes = [quote_inside(bunch.prefix) if quoted else bunch.prefix for bunch in bunches]
        files = make_files(self._random, bunches, self._dump)
        out = np.empty(len(files.place) * (2 * max(map(len, prefixes)) + LONGEST_REST), np.uint8)
        ends = np.zeros(len(bunches), np.int64)
        places = Words.of(prefixes)
        write_lines(int(era.encoding), era.columns, places, SUFFIX_WORDS, files, self._scratch, out, ends)
        start = 0
        for end in ends.tolist():
            yield out[start:end].data
            start = end


def sort_key(item: Single | Bunch) -> bytes:
    """The prefix of an item's paths; for a directory its path with a slash."""
    if isinstance(item, Bunch):
        return item.prefix
    return item.path + b"/" if item.kind == b"d" else item.path


def write_site(world: World, directory: Path, teams: list[Team], people: list[Person], plans: list[Volume]) -> None:
    """Write base directories, names, quotas and a matching configuration."""
    oldest = world.newest - timedelta(days=world.dates - 1)
    bases = [pair for plan in plans for pair in sorted(set(plan.bases))]
    (directory / "dumps" / f"{oldest:%Y%m%d}.basedirs").write_bytes(b"".join(b"%d\t%b\n" % pair for pair in bases))
    groups = [f"{team.gid}\t{team.name}\t{team.pi or ''}\n" for team in teams if team.name]
    (directory / "groups.tsv").write_text("".join(groups), encoding="utf-8")
    users = [f"{person.uid}\t{person.name}\n" for person in people if person.name]
    (directory / "users.tsv").write_text("".join(users), encoding="utf-8")
    (directory / "quotas").mkdir(exist_ok=True)
    random = np.random.default_rng([world.seed, len(plans)])
    for name in world.volumes:
        limits = [f"{team.name},{int(random.lognormal(26, 1.5))}\n" for team in teams if team.name]
        (directory / "quotas" / f"{name}.csv").write_text("group,limit\n" + "".join(limits), encoding="utf-8")
    volumes = ", ".join(f'"{name}"' for name in world.volumes)
    days = max(10, (date.today() - world.newest).days + 10)
    (directory / "lurge.toml").write_text(
        f'[dumps]\ndirectory = "dumps"\nvolumes = [{volumes}]\nmax_days_ago = {days}\n\n'
        '[reports]\ndirectory = "out"\n\n'
        '[identity]\nprovider = "files"\n\n[identity.files]\ngroups = "groups.tsv"\nusers = "users.tsv"\n\n'
        '[quota]\nproviders = ["csv"]\ncsv_directory = "quotas"\n',
        encoding="utf-8",
    )
