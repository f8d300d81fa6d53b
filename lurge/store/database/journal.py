"""SQLite's journal: a write-ahead log, with which readers and the writer do not wait for each other.

Such a log needs memory that all processes of one machine share, so a database on a network file system keeps SQLite's
usual rollback journal. A reader who may not write needs the log's two files beside the database: SQLite removes them
with the last connection that may write, so each of our connections is outlived by one that may only read.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

log = logging.getLogger(__name__)

MOUNTS = Path("/proc/self/mountinfo")
LOCAL = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"})
"""File systems of one machine's own."""

SECONDS_TO_SWITCH = 2
SWITCH, CURRENT = "PRAGMA journal_mode = {}", "PRAGMA journal_mode"


def file_system(path: Path, mounts: str) -> str:
    """The kind of the file system that holds an absolute path, empty where it is not known.

    mounts: the text of /proc/self/mountinfo, proc(5).
    """
    found, longest = "", -1
    for line in mounts.split("\n"):
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        # Of two file systems mounted at one place the later hides the other.
        if (path == point or point in path.parents) and len(point.parts) >= longest:
            found, longest = after.split(" ")[0], len(point.parts)
    return found


def is_local(path: Path) -> bool:
    """Whether a file lies on a file system of this machine alone."""
    try:
        text = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return file_system(Path(os.path.realpath(path)), text) in LOCAL


def choose_journal(path: Path) -> None:
    """Let a database have a write-ahead log, if its file system allows that and nobody is in the way.

    Otherwise readers see the old rows all the same, but a reader's transaction and a swap wait for each other.
    """
    wanted = "wal" if is_local(path) else "delete"
    try:
        connection = sqlite3.connect(path, timeout=SECONDS_TO_SWITCH, isolation_level=None)
        try:
            current = connection.execute(CURRENT).fetchone()[0]
            if current != wanted:
                current = connection.execute(SWITCH.format(wanted)).fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        log.debug("%s keeps its journal for now: %s", path, error)
        return
    if current != wanted:
        log.debug("%s has the journal %s, not %s", path, current, wanted)


def empty_log(path: Path) -> None:
    """Move what the log holds into the database, as far as readers let it, so that the log does not stay large."""
    try:
        connection = sqlite3.connect(path, timeout=SECONDS_TO_SWITCH, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.Error as error:
        log.debug("the log of %s is not emptied: %s", path, error)


def keeper(path: str) -> sqlite3.Connection | None:
    """A connection that may only read: if it is closed last, the files of the log stay; None without a log."""
    try:
        connection = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, check_same_thread=False)
    except sqlite3.Error:
        return None
    try:
        # Reading opens the log.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        if connection.execute(CURRENT).fetchone()[0] == "wal":
            return connection
    except sqlite3.Error:
        log.debug("no log is kept beside %s", path, exc_info=True)
    connection.close()
    return None
