"""Works: what was counted of each, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

PUBLISHED = "published"
STATES = {
    "cataloged": "Cataloged",
    "scanned": "Scanned",
    "ReadyToProcess": "Ready to process",
    PUBLISHED: "Published",
}
"""The built-in states, with their descriptions."""

FULL, WEB = "fullBDRC", "webBDRC"
PUBLISH_STATES = {FULL: "Archive and web images", WEB: "Web images"}

SUFFIXES = (".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".png", ".gif", ".bmp", ".cr2", ".nef", ".dng", ".arw", ".pdf")
LONGEST_NAME = 512
"""Characters of a name. A key of four bytes each must fit into an index of a database."""

JUNK, JUNK_PREFIX = frozenset({b"Thumbs.db", b".DS_Store"}), b"._"
"""Names of files that are never counted, and the beginning of others."""


def is_published(state: str) -> bool:
    """True for the state of published works, compared without case."""
    return state.casefold() == PUBLISHED


class Observation(NamedTuple):
    """The count of one work at a date.

    project: its name; for a published work the path of the tree. create_date: when the project, or the published work,
    was made. publish_state: of a published work, else None. files, bytes, newest_mtime (Unix seconds): None if unknown.
    """

    day: date
    host: str
    project: str
    work: str
    create_date: date | None
    state: str
    publish_state: str | None
    images: int
    files: int | None = None
    bytes: int | None = None
    newest_mtime: int | None = None


@dataclass(frozen=True)
class TreeKey:
    """A tree of works in one state on one host. path: where it lies; of a backlog its project: no more is known."""

    host: str
    state: str
    path: str


@dataclass(frozen=True)
class CountRules:
    """The rules of counting files.

    suffixes: of images, in lower case. archive, share, full, web: how the state of published works is told. has_sizes:
    whether bytes and times are kept.
    """

    counts_images: bool
    suffixes: tuple[bytes, ...]
    archive: bytes
    share: float
    full: str
    web: str
    has_sizes: bool = True

    def is_counted(self, name: bytes) -> bool:
        """False for a file that is never counted."""
        return name not in JUNK and not name.startswith(JUNK_PREFIX)

    def is_image(self, name: bytes) -> bool:
        """True for a file that counts as an image, if it is counted."""
        return not self.counts_images or name.lower().endswith(self.suffixes)

    def publish_state(self, files: int, archived: int, has_archive: bool) -> str:
        """The state of a published work. archived: files of the directories directly inside its archive."""
        # As it is written: 0.28 of 100 are 28.
        return self.full if has_archive and archived >= Fraction(str(self.share)) * files else self.web


@dataclass
class Count:
    """The counts of one work.

    newest: Unix seconds of the newest mtime; None without a file. archived: files of the directories directly inside
    its archive.
    """

    images: int = 0
    files: int = 0
    bytes: int = 0
    newest: int | None = None
    archived: int = 0
    has_archive: bool = False

    def add(self, images: int, files: int, size: int, archived: int, has_archive: bool = False) -> None:
        """Add some files of the work."""
        self.images += images
        self.files += files
        self.bytes += size
        self.archived += archived
        self.has_archive = self.has_archive or has_archive

    def see(self, mtime: int) -> None:
        """Take the mtime of a file."""
        self.newest = mtime if self.newest is None else max(self.newest, mtime)
