"""What one volume's dump says, as rows: exact integers, ready to be named and stored.

Sizes are attributed sizes in bytes unless said otherwise; times are Unix seconds, none later than the dump's time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from lurge.model.directories import Directories

LONGEST_LINE = 1 << 16
"""Bytes; a longer line is rejected."""

SAMPLES_KEPT = 5
SAMPLE_BYTES = 200
"""Of every reason the first lines are kept, up to so many bytes of each."""

REASONS = ("long", "columns", "number", "type", "path")
"""Why a line is rejected, in the order of the checks."""

VAULT_KEY = "vault key"
"""The reason under which keys that do not decode are counted; their records still count everywhere else."""

VAULT_STATES = ("Keep", "Archive", "Staged", "Limbo", "Stash")


class GroupUsage(NamedTuple):
    """What a group uses below one of its base directories (the path as shown)."""

    gid: int
    base: str
    size: int
    newest: int
    records: int


class UserUsage(NamedTuple):
    """What a user owns in a group, attributed to a base directory or not."""

    uid: int
    gid: int
    size: int
    newest: int
    files: int


class Unattributed(NamedTuple):
    """What a group has outside every base directory of its own."""

    gid: int
    size: int
    records: int


class VaultFile(NamedTuple):
    """A file marked in a vault; size is the file's whole size."""

    path: str
    state: str
    uid: int
    gid: int
    size: int
    mtime: int


class Sample(NamedTuple):
    """One of the first lines that were rejected for `reason`; text is cut to a readable length."""

    reason: str
    line: int
    text: str


@dataclass(frozen=True)
class Counts:
    """Counters of one volume, kept while reading and independent of the tables."""

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
    """All reports of one volume; everything is sorted, so that equal dumps give equal reports."""

    counts: Counts
    groups: list[GroupUsage]
    directories: Directories
    users: list[UserUsage]
    unattributed: list[Unattributed]
    vault: list[VaultFile]
    samples: list[Sample]
