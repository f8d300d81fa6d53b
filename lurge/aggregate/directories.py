"""The directory report: files by group, base directory, subdirectory and filetype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Tally
from lurge.aggregate.records import Records
from lurge.aggregate.suffixes import compile_suffixes
from lurge.aggregate.table import Export, Table
from lurge.kernels.directories import DeepNames, add_files
from lurge.kernels.suffixes import WORD
from lurge.kernels.table import COUNT, LENGTH, NAME, NEWEST, A, B
from lurge.kernels.words import pack_words
from lurge.model.directories import Directories
from lurge.model.paths import shown
from lurge.model.rules import Rules

WORDS_COMPARED = 8
"""Names that are equal in so many words are rare enough to be compared one by one."""


def compile_deep_names(names: Sequence[str]) -> DeepNames:
    """The kernel's form of the names of directories that are reported one level deeper."""
    text, places = pack_words([b".", *(name.encode() for name in names)])
    return DeepNames(text, np.array(places[1:], np.int64).reshape(-1, 2))


class DirectoryTally(Tally[Export]):
    """Sums of files by (group, base directory, subdirectory)."""

    def __init__(self, rules: Rules) -> None:
        self._rules = *compile_deep_names(rules.deep_directories), *compile_suffixes(rules.filetypes)
        self._table = Table(sums=1 + len(rules.filetypes))

    def add(self, records: Records) -> None:
        # A subdirectory is part of a path, or `.`.
        self._table.make_room(records.path_bytes + records.count, records.count)
        add_files(records.fields, records.count, records.paths, *self._table.arrays, *self._rules)

    def export(self) -> Export:
        return self._table.export()

    def merge(self, export: Export) -> None:
        self._table.merge(export)


@dataclass(frozen=True)
class DirectoryReport(Aggregate[Export, Directories]):
    """Files by (group, base directory, subdirectory), with the bytes of each filetype."""

    name: str = "directories"

    def tally(self, rules: Rules) -> DirectoryTally:
        return DirectoryTally(rules)

    def result(self, export: Export, rules: Rules) -> Directories:
        return make_directories(export, rules.bases()[0])


DIRECTORIES = DirectoryReport()


def make_directories(table: Export, bases: list[str]) -> Directories:
    """The directory report, without a Python object for each of its rows unless two are shown alike."""
    text, start, length, changed = show_names(table)
    order = sort_rows(table.signed(A), table.signed(B), text, start, length)
    sums = table.sums()[order]
    directories = Directories(
        bases=bases,
        gid=table.signed(A)[order],
        base=table.signed(B)[order],
        text=text.tobytes(),
        start=start[order],
        length=length[order],
        size=sums[:, 0],
        newest=table.signed(NEWEST)[order],
        files=table.signed(COUNT)[order],
        filetype_sizes=sums[:, 1:],
    )
    return Directories.of(directories) if has_doubles(directories, changed[order]) else directories


def show_names(
    table: Export,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The names as UTF-8: (text, starts, lengths, which of them were not UTF-8 and are shown otherwise)."""
    text, start, length = table.text, table.signed(NAME).copy(), table.signed(LENGTH).copy()
    changed = np.zeros(len(start), np.bool_)
    added: list[bytes] = []
    end = len(text)
    beyond_ascii = np.concatenate([[0], np.cumsum(text > 127)])
    for i in np.flatnonzero(beyond_ascii[start + length] > beyond_ascii[start]).tolist():
        name = text[start[i] : start[i] + length[i]].tobytes()
        name_shown = shown(name).encode()
        if name_shown != name:
            changed[i], start[i], length[i] = True, end, len(name_shown)
            end += len(name_shown)
            added.append(name_shown)
    return np.concatenate([text, np.frombuffer(b"".join(added), np.uint8)]), start, length, changed


def sort_rows(
    gid: npt.NDArray[np.int64],
    base: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    start: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """The order of rows by gid, base and name, as int64[n].

    Names are compared by eight bytes at a time, the first of them the highest; shorter ones count as if zeros followed.
    """
    padded_text = np.concatenate([text, np.zeros(WORD, np.uint8)])
    longest = int(length.max(initial=0))
    words = []
    for at in range(0, min(longest, WORD * WORDS_COMPARED), WORD):
        left = np.clip(length - at, 0, WORD)
        bytes_of = padded_text[np.where(left > 0, start + at, 0)[:, None] + np.arange(WORD)]
        bytes_of[np.arange(WORD) >= left[:, None]] = 0
        words.append(bytes_of.view(">u8")[:, 0].astype(np.uint64))
    keys = [gid, base, *words]
    order = np.lexsort((length, *reversed(keys)))
    if longest > WORD * WORDS_COMPARED:
        long_names = length[order] > WORD * WORDS_COMPARED
        tied = long_names[1:] & long_names[:-1]
        for key in keys:
            tied &= key[order[1:]] == key[order[:-1]]
        for first, after in runs(tied):
            tied_rows = order[first:after].tolist()
            order[first:after] = sorted(tied_rows, key=lambda i: text[start[i] :][: length[i]].tobytes())
    return order


def runs(tied: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, after) of the rows that are tied to their neighbours; tied[i] says whether row i and the next are."""
    edges = np.flatnonzero(np.diff(tied, prepend=False, append=False))
    return [(first, last + 1) for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def has_doubles(directories: Directories, changed: npt.NDArray[np.bool_]) -> bool:
    """True if two rows are shown alike; only a name that is not UTF-8 can be shown like another."""
    if not changed.any():
        return False
    alike = changed[1:] | changed[:-1]
    for column in (directories.gid, directories.base, directories.length):
        alike &= column[1:] == column[:-1]
    return any(
        directories.subdirectories(slice(i, i + 1)) == directories.subdirectories(slice(i + 1, i + 2))
        for i in np.flatnonzero(alike).tolist()
    )
