"""The tree index in plain Python: the twin of kernels.tree and kernels.rollup."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lurge.aggregate.plain import Record, Rejected, group_of, read_record, vault_file
from lurge.model.dump import SECONDS_A_DAY
from lurge.model.rules import FileType, Rules
from lurge.model.tree import AGE_DAYS, DIRECTORY, LINK, OTHER, SPECIAL, VAULT

LARGEST = 2**63 - 1
AGES = len(AGE_DAYS) + 1
SIZE_LIMITS = (0, 2**12, 2**16, 2**20, 2**26, 2**30, 2**34)


class CellKey(NamedTuple):
    """The key of a cell."""

    gid: int
    uid: int
    filetype: str


@dataclass
class Cell:
    """The sums of one key, the oldest and newest times, and the bins in the order of store.tree.layout."""

    records: int
    bytes: int
    oldest_mtime: int
    newest_mtime: int
    oldest_atime: int
    newest_atime: int
    bins: list[int]

    def add(self, other: Cell) -> None:
        self.records += other.records
        self.bytes = min(self.bytes + other.bytes, LARGEST)
        self.oldest_mtime = min(self.oldest_mtime, other.oldest_mtime)
        self.newest_mtime = max(self.newest_mtime, other.newest_mtime)
        self.oldest_atime = min(self.oldest_atime, other.oldest_atime)
        self.newest_atime = max(self.newest_atime, other.newest_atime)
        self.bins = [min(mine + more, LARGEST) for mine, more in zip(self.bins, other.bins, strict=True)]


Cells = dict[CellKey, Cell]


def add_cell(cells: Cells, key: CellKey, cell: Cell) -> None:
    if key in cells:
        cells[key].add(cell)
    else:
        cells[key] = Cell(**vars(cell))


class PlainTree:
    """The cells of every directory of a volume: `own` of its own records, `below` of these and all below it."""

    def __init__(self, rules: Rules, mount: str, filetypes: Sequence[FileType], lines: Iterable[bytes]) -> None:
        self._rules, self._filetypes = rules, filetypes
        self._pseudo = rules.pseudo_gids()
        self.own: defaultdict[tuple[bytes, ...], Cells] = defaultdict(dict)
        for line in lines:
            try:
                record = read_record(line, rules)
            except Rejected:
                continue
            if record.nlink:
                add_cell(self.own[own_directory(record)], *self._cell(record))
        self.top = components(mount.rstrip("/").encode())
        for directory in self.own:
            while self.top != directory[: len(self.top)]:
                self.top = self.top[:-1]
        self.below: defaultdict[tuple[bytes, ...], Cells] = defaultdict(dict)
        self.below[self.top] = {}
        for directory, cells in self.own.items():
            for above in self._holders(directory):
                for key, cell in cells.items():
                    add_cell(self.below[above], key, cell)

    def _holders(self, directory: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
        for length in range(len(self.top), len(directory) + 1):
            yield directory[:length]

    def _cell(self, record: Record) -> tuple[CellKey, Cell]:
        size = record.attributed_size
        bins: list[int] = []
        for time in (record.mtime, record.atime):
            for value in (1, size):
                bins += [value if number == self._age(time) else 0 for number in range(AGES)]
        size_class = sum(record.size > limit for limit in SIZE_LIMITS) if record.type == "f" else None
        bins += [int(number == size_class) for number in range(len(SIZE_LIMITS) + 1)]
        key = CellKey(group_of(record, self._pseudo), record.uid, self._filetype(record))
        return key, Cell(1, size, record.mtime, record.mtime, record.atime, record.atime, bins)

    def _age(self, time: int) -> int:
        days = (self._rules.dump_time - time) // SECONDS_A_DAY
        return sum(days >= boundary for boundary in AGE_DAYS)

    def _filetype(self, record: Record) -> str:
        if record.type != "f":
            return {"d": DIRECTORY, "l": LINK}.get(record.type, SPECIAL)
        try:
            if vault_file(record.path):
                return VAULT
        except ValueError:
            pass
        name = record.path.rpartition(b"/")[2].lower()
        for filetype in self._filetypes:
            if any(name.endswith(suffix.encode().lower()) for suffix in filetype.suffixes):
                return filetype.name
        return OTHER


def components(path: bytes) -> tuple[bytes, ...]:
    """The components of a path, of which that of the root is none."""
    return tuple(path.split(b"/")[1:]) if path else ()


def own_directory(record: Record) -> tuple[bytes, ...]:
    """The directory in which a record counts: itself, or the one that it is in."""
    directory = record.path if record.type == "d" else record.path.rpartition(b"/")[0]
    return components(directory if directory != b"/" else b"")
