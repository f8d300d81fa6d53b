"""Works: what was counted of each, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

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


@dataclass(frozen=True)
class Observation:
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
