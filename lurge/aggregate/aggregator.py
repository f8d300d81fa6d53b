"""One process's reports of one volume: filled by the kernel, exported as arrays, merged, turned into rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lurge.aggregate.kernel import (
    MOST_COLUMNS,
    SCRATCH_BYTES,
    WORD,
    Reports,
    Settings,
    Suffixes,
    Tallies,
    VaultArrays,
    read_lines,
)
from lurge.aggregate.lookup import ANY_GROUP, compile_lookup
from lurge.aggregate.rows import make_report, sum_words, table_of
from lurge.aggregate.table import Table
from lurge.model.report import LONGEST_LINE, REASONS, SAMPLE_BYTES, SAMPLES_KEPT, VolumeReport
from lurge.model.rules import FileType, Rules

FEWEST_VAULT_ROWS = 256

Arrays = dict[str, npt.NDArray[Any]]


def pack_words(words: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
    """All words in one array, and where each begins and how long it is."""
    places, at = [], 0
    for word in words:
        places.append((at, len(word)))
        at += len(word)
    return np.frombuffer(b"".join(words) or b"\0", np.uint8).copy(), places


def compile_suffixes(filetypes: Sequence[FileType]) -> Suffixes:
    """The kernel's form of what makes a file one of each type."""
    found = [
        (suffix.encode().lower(), number) for number, filetype in enumerate(filetypes) for suffix in filetype.suffixes
    ]
    found.sort(key=lambda suffix: (suffix[0][-1], suffix[1]))
    text, places = pack_words([suffix for suffix, _ in found])
    tails = [int.from_bytes(suffix[-WORD:].rjust(WORD, b"\0"), "little") for suffix, _ in found]
    masks = [2**64 - 2 ** (8 * max(WORD - len(suffix), 0)) for suffix, _ in found]
    return Suffixes(
        text=text,
        at=np.array([(*place, number) for place, (_, number) in zip(places, found, strict=True)], np.int64).reshape(
            -1, 3
        ),
        tail=np.array([tails, masks], np.uint64).T.copy(),
        first=np.searchsorted(np.array([suffix[-1] for suffix, _ in found], np.int64), np.arange(257)).astype(np.int64),
    )


def either(left: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Where one of two arrays, which may differ in length, is true."""
    found = np.zeros(max(len(left), len(right)), np.bool_)
    found[: len(left)] |= left
    found[: len(right)] |= right
    return found


def compile_settings(rules: Rules) -> Settings:
    """The kernel's form of the rules."""
    _, bases = rules.bases()
    deep_text, deep_places = pack_words([b".", *(name.encode() for name in rules.deep_directories)])
    pseudo = {(int(ANY_GROUP), path): gid for path, gid in rules.pseudo_gids().items()}
    lookups = compile_lookup(bases), compile_lookup(pseudo)
    return Settings(
        encoding=int(rules.era.encoding),
        columns=rules.era.columns,
        dump_time=rules.dump_time,
        bases=lookups[0],
        pseudo=lookups[1],
        special=either(lookups[0].lengths, lookups[1].lengths),
        suffixes=compile_suffixes(rules.filetypes),
        deep=deep_text,
        deep_at=np.array(deep_places[1:], np.int64).reshape(-1, 2),
    )


def new_vault(rows: int, text: int) -> VaultArrays:
    return VaultArrays(
        used=np.zeros(2, np.int64),
        fields=np.zeros((rows, 6), np.int64),
        size=np.zeros(rows, np.uint64),
        text=np.zeros(text, np.uint8),
    )


def new_tallies() -> Tallies:
    reasons = len(REASONS) + 1
    return Tallies(
        counts=np.zeros(4, np.int64),
        bytes=np.zeros((2, 2), np.uint64),
        reasons=np.zeros(reasons, np.int64),
        samples=np.zeros((reasons, SAMPLES_KEPT, 2), np.int64),
        sample_text=np.zeros((reasons, SAMPLES_KEPT, SAMPLE_BYTES), np.uint8),
        path=np.zeros(SCRATCH_BYTES, np.uint8),
        joined=np.zeros(SCRATCH_BYTES, np.uint8),
        place=np.full(9, -1, np.int64),
        directory=np.zeros(SCRATCH_BYTES, np.uint8),
        tabs=np.zeros(16, np.int64),
        fields=np.zeros(MOST_COLUMNS, np.uint64),
        ends=np.zeros(16, np.int64),
        last=np.full(3, -1, np.int64),
    )


class Aggregator:
    """Tables of one volume that grow as lines are added."""

    def __init__(self, rules: Rules) -> None:
        self._settings = compile_settings(rules)
        self._tables = {
            "groups": Table(),
            "directories": Table(sums=1 + len(rules.filetypes)),
            "users": Table(),
            "unattributed": Table(),
        }
        self._vault = new_vault(rows=FEWEST_VAULT_ROWS, text=1 << 18)
        self._tallies = new_tallies()

    def add(self, lines: npt.NDArray[np.uint8], first_line: int) -> None:
        """Read whole lines, the last of which may lack its newline.

        lines: uint8, contiguous. first_line: the number of the first of them in its dump, from 1.
        """
        start = 0
        while start < len(lines):
            reports = Reports(
                groups=self._tables["groups"].arrays,
                directories=self._tables["directories"].arrays,
                users=self._tables["users"].arrays,
                unattributed=self._tables["unattributed"].arrays,
                vault=self._vault,
                tallies=self._tallies,
            )
            start, first_line = read_lines(self._settings, reports, lines, start, first_line)
            if start < len(lines):
                self._grow()

    def _grow(self) -> None:
        for name, table in self._tables.items():
            table.make_room(LONGEST_LINE if name == "directories" else 0)
        old = self._vault
        rows, text = int(old.used[0]), int(old.used[1])
        if rows == len(old.size) or text + 2 * LONGEST_LINE > len(old.text):
            new = new_vault(max(FEWEST_VAULT_ROWS, 2 * rows), max(len(old.text), 2 * (text + 2 * LONGEST_LINE)))
            new.used[:] = old.used
            new.fields[:rows] = old.fields[:rows]
            new.size[:rows] = old.size[:rows]
            new.text[:text] = old.text[:text]
            self._vault = new

    def export(self) -> Arrays:
        """Everything gathered so far as named arrays, for `merge` in another process."""
        arrays: Arrays = {}
        for name, table in self._tables.items():
            arrays |= {f"{name}.{part}": array for part, array in table.export()._asdict().items()}
        rows, text = int(self._vault.used[0]), int(self._vault.used[1])
        arrays["vault.fields"] = self._vault.fields[:rows]
        arrays["vault.size"] = self._vault.size[:rows]
        arrays["vault.text"] = self._vault.text[:text]
        for part in ("counts", "bytes", "reasons", "samples", "sample_text"):
            arrays[f"tallies.{part}"] = getattr(self._tallies, part)
        return arrays

    def merge(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add another process's export for the same volume."""
        for name, table in self._tables.items():
            table.merge(table_of(arrays, name))
        self._merge_vault(arrays)
        self._merge_tallies(arrays)

    def _merge_vault(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        mine, (rows, text) = self._vault, self._vault.used.tolist()
        fields = arrays["vault.fields"].astype(np.int64)
        fields[:, 0] += text
        merged = VaultArrays(
            used=np.array([rows + len(fields), text + len(arrays["vault.text"])], np.int64),
            fields=np.concatenate([mine.fields[:rows], fields]),
            size=np.concatenate([mine.size[:rows], arrays["vault.size"]]),
            text=np.concatenate([mine.text[:text], arrays["vault.text"]]),
        )
        self._vault = merged

    def _merge_tallies(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        mine = self._tallies
        mine.counts[:] += arrays["tallies.counts"]
        for row in range(2):
            total = sum_words(mine.bytes[row]) + sum_words(arrays["tallies.bytes"][row])
            mine.bytes[row] = (total & (2**64 - 1), total >> 64)
        others: npt.NDArray[np.int64] = arrays["tallies.samples"]
        for reason, other_count in enumerate(arrays["tallies.reasons"].tolist()):
            candidates = [
                (int(samples[reason, i, 0]), int(samples[reason, i, 1]), texts[reason, i].copy())
                for samples, texts, count in (
                    (mine.samples, mine.sample_text, int(mine.reasons[reason])),
                    (others, arrays["tallies.sample_text"], other_count),
                )
                for i in range(min(count, SAMPLES_KEPT))
            ]
            mine.reasons[reason] += other_count
            candidates.sort(key=lambda candidate: candidate[0])
            for i, (line, length, text) in enumerate(candidates[:SAMPLES_KEPT]):
                mine.samples[reason, i] = (line, length)
                mine.sample_text[reason, i] = text

    def report(self, rules: Rules, lines: int) -> VolumeReport:
        """The rows. lines: how many lines the dump has, counted by whoever cut it."""
        return make_report(self.export(), rules, lines)
