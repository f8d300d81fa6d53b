"""From the arrays that aggregators export to the rows of a volume's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lurge.aggregate.table import COUNT, LENGTH, NAME, NEWEST, A, B, Export
from lurge.model.directories import Directories
from lurge.model.paths import shown
from lurge.model.report import (
    REASONS,
    SAMPLES_KEPT,
    VAULT_KEY,
    VAULT_STATES,
    Counts,
    GroupUsage,
    Sample,
    Unattributed,
    UserUsage,
    VaultFile,
    VolumeReport,
)
from lurge.model.rules import Rules

Arrays = Mapping[str, npt.NDArray[Any]]

WORD = 8
WORDS_COMPARED = 8
"""Names that are equal in so many words are rare enough to be compared one by one."""


def table_of(arrays: Arrays, name: str) -> Export:
    """One table of an export."""
    return Export(*(arrays[f"{name}.{part}"] for part in Export._fields))


def sum_words(words: npt.NDArray[np.uint64]) -> int:
    """A 128-bit number from its low and high word."""
    low, high = words.tolist()
    return int(low) + (int(high) << 64)


def make_report(arrays: Arrays, rules: Rules, lines: int) -> VolumeReport:
    """The rows of everything that was exported. lines: how many lines the dump has, counted by whoever cut it."""
    bases = rules.bases()[0]
    groups, users, outside = (table_of(arrays, name).entries() for name in ("groups", "users", "unattributed"))
    return VolumeReport(
        counts=make_counts(arrays, lines),
        groups=sorted(GroupUsage(row.a, bases[row.b], row.sums[0], row.newest, row.counted) for row in groups),
        directories=make_directories(table_of(arrays, "directories"), bases),
        users=sorted(UserUsage(row.a, row.b, row.sums[0], row.newest, row.counted) for row in users),
        unattributed=sorted(Unattributed(row.a, row.sums[0], row.counted) for row in outside),
        vault=sorted(make_vault(arrays, rules)),
        samples=make_samples(arrays),
    )


def make_counts(arrays: Arrays, lines: int) -> Counts:
    records, attributed, unattributed, vanished = arrays["tallies.counts"].tolist()
    *reasons, keys = arrays["tallies.reasons"].tolist()
    attributed_bytes, unattributed_bytes = map(sum_words, arrays["tallies.bytes"])
    return Counts(
        lines=lines,
        records=records,
        attributed=attributed,
        unattributed=unattributed,
        vanished=vanished,
        attributed_bytes=attributed_bytes,
        unattributed_bytes=unattributed_bytes,
        rejected_by_reason=dict(zip(REASONS, reasons, strict=True)),
        bad_vault_keys=keys,
    )


def make_vault(arrays: Arrays, rules: Rules) -> list[VaultFile]:
    text = arrays["vault.text"].tobytes()
    return [
        VaultFile(shown(rules.aliases.apply(text[start : start + length])), VAULT_STATES[branch], uid, gid, size, mtime)
        for (start, length, branch, uid, gid, mtime), size in zip(
            arrays["vault.fields"].tolist(), arrays["vault.size"].tolist(), strict=True
        )
    ]


def make_samples(arrays: Arrays) -> list[Sample]:
    samples, texts = arrays["tallies.samples"], arrays["tallies.sample_text"]
    return [
        Sample(reason, int(samples[number, i, 0]), shown(texts[number, i, : samples[number, i, 1]].tobytes()))
        for number, reason in enumerate((*REASONS, VAULT_KEY))
        for i in range(min(int(arrays["tallies.reasons"][number]), SAMPLES_KEPT))
    ]


def make_directories(table: Export, bases: list[str]) -> Directories:
    """The directory report, without a Python object for each of its rows unless two are shown alike."""
    text, start, length, changed = show_names(table)
    order = sort_rows(table.signed(A), table.signed(B), text, start, length)
    sums = table.sums()[order]
    found = Directories(
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
    return Directories.of(found) if has_doubles(found, changed[order]) else found


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


def has_doubles(found: Directories, changed: npt.NDArray[np.bool_]) -> bool:
    """Whether two rows are shown alike; only a name that is shown otherwise than it is can be another's double."""
    if not changed.any():
        return False
    alike = changed[1:] | changed[:-1]
    for column in (found.gid, found.base, found.length):
        alike &= column[1:] == column[:-1]
    return any(
        found.subdirectories(slice(i, i + 1)) == found.subdirectories(slice(i + 1, i + 2))
        for i in np.flatnonzero(alike).tolist()
    )
