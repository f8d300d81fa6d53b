"""The vault report: files that are marked to be kept or archived."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate, Tally
from lurge.aggregate.records import Records, make_samples, merge_rejected
from lurge.kernels.parse import LONGEST_LINE, SLACK, Rejected, new_rejected
from lurge.kernels.vault import VaultArrays, add_keys
from lurge.model.paths import shown
from lurge.model.report import VAULT_KEY, VAULT_STATES, Sample, VaultFile
from lurge.model.rules import Rules

COLUMNS = 7


@dataclass(frozen=True)
class Keys:
    """The keys of a vault, and those that do not decode.

    fields: int64[rows, COLUMNS], as in kernels.vault. text: uint8, the paths.
    """

    fields: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]
    rejected: Rejected


@dataclass(frozen=True)
class VaultReport:
    """The marked files, sorted, and the number and first samples of keys that do not decode."""

    files: list[VaultFile]
    bad_keys: int
    samples: list[Sample]


class VaultTally(Tally[Keys]):
    """Keys in the order in which they were met."""

    def __init__(self) -> None:
        self._arrays = VaultArrays(
            used=np.zeros(2, np.int64),
            fields=np.zeros((0, COLUMNS), np.int64),
            text=np.zeros(0, np.uint8),
            joined=np.zeros(LONGEST_LINE + SLACK, np.uint8),
        )
        self._rejected = new_rejected(1)

    def add(self, records: Records) -> None:
        # A marked file's path is shorter than its key's.
        self._make_room(records.count, records.path_bytes + SLACK)
        add_keys(
            records.fields, records.count, records.paths, records.text, records.first_line,
            *self._arrays, *self._rejected,
        )  # fmt: skip

    def _make_room(self, more_rows: int, more_text: int) -> None:
        old = self._arrays
        rows, text = old.used.tolist()
        if rows + more_rows > len(old.fields) or text + more_text > len(old.text):
            fields = np.zeros((max(len(old.fields), 2 * (rows + more_rows)), COLUMNS), np.int64)
            longer = np.zeros(max(len(old.text), 2 * (text + more_text)), np.uint8)
            fields[:rows], longer[:text] = old.fields[:rows], old.text[:text]
            self._arrays = old._replace(fields=fields, text=longer)

    def export(self) -> Keys:
        rows, text = self._arrays.used.tolist()
        return Keys(self._arrays.fields[:rows], self._arrays.text[:text], self._rejected)

    def merge(self, export: Keys) -> None:
        more_rows, more_text = len(export.fields), len(export.text)
        self._make_room(more_rows, more_text)
        rows, text = self._arrays.used.tolist()
        self._arrays.fields[rows : rows + more_rows] = export.fields
        self._arrays.fields[rows : rows + more_rows, 0] += text
        self._arrays.text[text : text + more_text] = export.text
        self._arrays.used[:] += more_rows, more_text
        merge_rejected(self._rejected, export.rejected)


@dataclass(frozen=True)
class VaultKeys(Aggregate[Keys, VaultReport]):
    """Files below `.vault`, by the path that each had when it was marked."""

    name: str = "vault"

    def tally(self, rules: Rules) -> VaultTally:
        return VaultTally()

    def result(self, export: Keys, rules: Rules) -> VaultReport:
        text = export.text.tobytes()
        files = [
            VaultFile(
                shown(rules.aliases.apply(text[start : start + length])), VAULT_STATES[branch], uid, gid, size, mtime
            )
            for start, length, branch, uid, gid, size, mtime in export.fields.tolist()
        ]
        samples = make_samples(export.rejected, (VAULT_KEY,))
        return VaultReport(sorted(files), int(export.rejected.counts[0]), samples)


VAULT = VaultKeys()
