"""The plan of a synthetic volume: its directories, their files, and a few files that are made individually.

Files are made in bunches. The paths of a bunch share a prefix, which is followed by the file's number. So a sorted dump
needs no sorting of lines: sorting bunches and single entries by their prefixes is enough.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from lurge.model.dump import Dump, last_second
from lurge.source.synth.lines import FileArrays
from lurge.source.synth.people import ODD_DIRECTORIES, STEMS, SUFFIXES, WORK, Person, Team

FILES_A_DIRECTORY = 90.0
MIN_FILES = 4
SECONDS_A_YEAR = 31_557_600
DIRECTORY_BYTES = 4096
DEVICE = 2_031_616_119
BRANCHES = (b"keep", b"archive", b".staged", b".limbo", b".stash")
FIRST_INODE = 144_115_205_255_725_057
"""Realistic for Lustre, whose inodes need far more than 32 bits."""

HARD_LINKED, SYMBOLIC, FUTURE, ANCIENT, GONE = 0.01, 0.01, 1e-4, 1e-5, 2e-5
"""Shares of files: with two hard links, symbolic links, with an mtime in the future or before 1970, vanished."""


@dataclass(frozen=True)
class Single:
    """An entry that is made individually: a directory, a vault key, or a file that is marked in a vault."""

    path: bytes
    kind: bytes
    size: int
    uid: int
    gid: int
    mtime: int
    inode: int
    nlink: int


@dataclass(frozen=True)
class Bunch:
    """Files with similar paths: `prefix`, then a number and a suffix."""

    prefix: bytes
    files: int
    uid: int
    gid: int
    first_inode: int


@dataclass
class Volume:
    """The plan of one volume: its entries, and its base directories as (gid, path)."""

    mount: str
    singles: list[Single] = field(default_factory=list)
    bunches: list[Bunch] = field(default_factory=list)
    bases: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def entries(self) -> int:
        return len(self.singles) + sum(bunch.files for bunch in self.bunches)


class Planner:
    """Planner of one volume: adds base directories until there are enough entries."""

    def __init__(self, random: np.random.Generator, mount: str, entries: int, newest: date) -> None:
        self.volume = Volume(mount)
        self._random = random
        self._target = entries
        self._planned = 0
        self._now = last_second(newest)
        self._inode = FIRST_INODE
        self._known: set[bytes] = set()

    def plan(self, teams: list[Team]) -> Volume:
        """Plan the whole volume."""
        root = self.volume.mount.encode()
        self._directory(root, 0, 0)
        turn = 0
        while self._planned < self._target:
            team = teams[turn % len(teams)]
            kind = b"teams" if turn % 3 else b"projects"
            unit = root + b"/" + team.unit.encode() + b"/" + kind
            name = f"{team.name or team.gid}-{turn // len(teams)}".encode()
            self._base(team, unit + b"/" + name)
            turn += 1
        self._planned = len(self.volume.singles) + sum(bunch.files for bunch in self.volume.bunches)
        return self.volume

    def _base(self, team: Team, base: bytes) -> None:
        """Add a base directory with everything below it."""
        random = self._random
        self.volume.bases.append((team.gid, base))
        person = team.people[0]
        self._directories(base, person, team)
        self._bunch(base + b"/00README", person, team, few=True)
        self._vault(base, person, team)
        for _ in range(int(random.integers(3, 12))):
            if self._planned >= self._target:
                return
            person = team.people[int(random.integers(0, len(team.people)))]
            work = WORK[int(random.integers(0, len(WORK)))].encode()
            below = (b"users/" + (person.name or str(person.uid)).encode(), b"projects/" + work, work)
            directory = base + b"/" + below[int(random.integers(0, 3))]
            if random.random() < 0.02:
                directory += b"/" + ODD_DIRECTORIES[int(random.integers(0, len(ODD_DIRECTORIES)))]
            for _ in range(int(random.integers(1, 30))):
                leaf = directory + b"/%b_%03d" % (
                    WORK[int(random.integers(0, len(WORK)))].encode(),
                    random.integers(99),
                )
                self._directories(leaf, person, team)
                stem = STEMS[int(random.integers(0, len(STEMS)))]
                self._bunch(leaf + b"/" + stem, person, team)
                if self._planned >= self._target:
                    return
        if random.random() < 0.15:
            nested = base + b"/restricted"
            self.volume.bases.append((team.gid, nested))
            self._directories(nested + b"/secret", person, team)
            self._bunch(nested + b"/secret/" + STEMS[0], person, team)

    def _bunch(self, stem: bytes, person: Person, team: Team, few: bool = False) -> None:
        if stem in self._known:
            return
        self._known.add(stem)
        share = 3 if few else max(MIN_FILES, int(self._random.lognormal(np.log(FILES_A_DIRECTORY), 1.0)))
        files = max(1, min(share, self._target - self._planned))
        prefix = stem + b"_"
        # A few files belong to another group. They lie outside that group's base directories, so are unattributed.
        gid = team.gid if self._random.random() < 0.97 else team.gid + 1
        self.volume.bunches.append(Bunch(prefix, files, person.uid, gid, self._inode))
        self._inode += files
        self._planned += files

    def _single(self, path: bytes, kind: bytes, size: int, uid: int, gid: int, mtime: int, nlink: int) -> int:
        self.volume.singles.append(Single(path, kind, size, uid, gid, mtime, self._inode, nlink))
        self._inode += 1
        self._planned += 1
        return self._inode - 1

    def _directory(self, path: bytes, uid: int, gid: int) -> None:
        if path not in self._known:
            self._known.add(path)
            age = int(self._random.exponential(SECONDS_A_YEAR))
            self._single(path, b"d", DIRECTORY_BYTES, uid, gid, self._now - age, 2)

    def _directories(self, path: bytes, person: Person, team: Team) -> None:
        """Add a directory and its parents, except those that the volume already has."""
        parts = path[len(self.volume.mount) + 1 :].split(b"/")
        above = self.volume.mount.encode()
        for depth, part in enumerate(parts):
            above += b"/" + part
            owned = depth >= 2
            self._directory(above, person.uid if owned else 0, team.gid if owned else 0)

    def _vault(self, base: bytes, person: Person, team: Team) -> None:
        """Add some files that are marked in a vault, with their keys."""
        for number in range(int(self._random.integers(0, 12))):
            branch = BRANCHES[number % len(BRANCHES)]
            relative = b"vaulted/kept_%04d>?~.cram" % number
            size = int(self._random.lognormal(16, 2.5))
            mtime = self._now - int(self._random.exponential(SECONDS_A_YEAR))
            self._directories(base + b"/vaulted", person, team)
            inode = self._single(base + b"/" + relative, b"f", size, person.uid, team.gid, mtime, 2)
            key = base + b"/.vault/" + branch + b"/" + vault_key(inode, relative)
            self._directories(key.rpartition(b"/")[0], person, team)
            self.volume.singles.append(Single(key, b"f", size, person.uid, team.gid, mtime, inode, 2))
            self._planned += 1


def vault_key(inode: int, relative: bytes) -> bytes:
    """The key of a file in a vault (docs/formats.md)."""
    digits = f"{inode:x}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    name = base64.b64encode(relative, altchars=b"+_").decode()
    leaf = f"{digits[-2:]}-{name}"
    directories = [digits[i : i + 2] for i in range(0, len(digits) - 2, 2)]
    head, name = leaf[:3], leaf[3:]
    pieces = [name[i : i + 252] for i in range(0, len(name), 252)]
    return "/".join([*directories, head + pieces[0], *pieces[1:]]).encode()


def plan_volume(seed: int, number: int, mount: str, entries: int, newest: date, teams: list[Team]) -> Volume:
    """The plan of volume `number` of the world with this seed, with about `entries` entries."""
    return Planner(np.random.default_rng([seed, number]), mount, entries, newest).plan(teams)


def make_files(random: np.random.Generator, bunches: list[Bunch], dump: Dump) -> FileArrays:
    """The files of some bunches, bunch by bunch, as of a dump's date."""
    counts = np.array([bunch.files for bunch in bunches], np.int64)
    total = int(counts.sum())
    of_bunch = np.repeat(np.arange(len(bunches)), counts)
    number = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    mtime = dump.time - random.exponential(SECONDS_A_YEAR, total).astype(np.int64)
    chance = random.random(total)
    mtime[chance < FUTURE] = dump.time + SECONDS_A_YEAR
    mtime[chance > 1 - ANCIENT] = -SECONDS_A_YEAR
    size = random.lognormal(12, 3, total).astype(np.int64)
    inode = np.array([bunch.first_inode for bunch in bunches], np.int64)[of_bunch] + number
    nlink = np.ones(total, np.int64)
    first = np.flatnonzero((random.random(total) < HARD_LINKED)[:-1] & (of_bunch[:-1] == of_bunch[1:]))
    first = first[np.diff(first, prepend=-2) > 1]
    for values in (size, mtime, inode):
        values[first + 1] = values[first]
    nlink[first] = nlink[first + 1] = 2
    kind = np.full(total, ord("f"))
    links = (random.random(total) < SYMBOLIC) & (nlink == 1)
    kind[links] = ord("l")
    size[links] = 40
    # Only files without hard links vanish: otherwise the link count of the other name would be wrong.
    nlink[(random.random(total) < GONE) & (nlink == 1)] = 0
    suffix = random.integers(0, len(SUFFIXES), total)
    uid = np.array([bunch.uid for bunch in bunches], np.int64)[of_bunch]
    gid = np.array([bunch.gid for bunch in bunches], np.int64)[of_bunch]
    atime = mtime + SECONDS_A_YEAR // 12
    device = np.full(total, DEVICE)
    columns = (number, size, uid, gid, atime, mtime, mtime, kind, inode, nlink, device, size)
    return FileArrays(of_bunch, number, suffix, np.column_stack(columns))
