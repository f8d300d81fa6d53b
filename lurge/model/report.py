"""The reports of one volume's dump, as rows of exact integers that can be named and stored.

Sizes are attributed sizes in bytes, unless said otherwise. Times are Unix seconds, at most the dump's time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lurge.model.directories import Directories

LONGEST_LINE = 1 << 16
"""Maximum length of a line in bytes. Longer lines are rejected."""

SAMPLES_KEPT = 5
SAMPLE_BYTES = 200
"""Number of rejected lines to keep for each reason (the first ones), and maximum bytes of each."""

REASONS = ("long", "columns", "number", "type", "path")
"""Reasons to reject a line, in the order of the checks."""

VAULT_KEY = "vault key"
"""The reason for vault keys that do not decode. Their records still count in all other reports."""

VAULT_STATES = ("Keep", "Archive", "Staged", "Limbo", "Stash")


class GroupUsage(NamedTuple):
    """A group's use of one of its base directories. base: the path as shown. newest: mtime."""

    gid: int
    base: str
    size: int
    newest: int
    records: int


class UserUsage(NamedTuple):
    """The records of a user in a group, attributed to a base directory or not. newest: mtime."""

    uid: int
    gid: int
    size: int
    newest: int
    files: int


class Unattributed(NamedTuple):
    """The records of a group outside all of its base directories."""

    gid: int
    size: int
    records: int


class VaultFile(NamedTuple):
    """A file that is marked in a vault. size: the file's whole size, not its hard-link share."""

    path: str
    state: str
    uid: int
    gid: int
    size: int
    mtime: int


class Sample(NamedTuple):
    """One of the first lines that were rejected for `reason`. line: its number. text: cut to a readable length."""

    reason: str
    line: int
    text: str


@dataclass(frozen=True)
class Counts:
    """Counters of one volume. They are kept while reading, independently of the tables of the reports."""

    lines: int
    records: int
    attributed: int
    unattributed: int
    vanished: int
    attributed_bytes: int
    unattributed_bytes: int
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    bad_vault_keys: int = 0

    @property
    def rejected(self) -> int:
        return sum(self.rejected_by_reason.values())


@dataclass(frozen=True)
class VolumeReport:
    """All reports of one volume. All rows are sorted, so that equal dumps give equal reports."""

    counts: Counts
    groups: list[GroupUsage]
    directories: Directories
    users: list[UserUsage]
    unattributed: list[Unattributed]
    vault: list[VaultFile]
    samples: list[Sample]
