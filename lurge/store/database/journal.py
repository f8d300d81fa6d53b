"""SQLite's journal: a write-ahead log, so that readers and the writer do not wait for each other.

This log needs memory that all processes of one machine share, so a database on a network file system keeps SQLite's
default rollback journal. A reader without write permission needs the log's two files beside the database. SQLite
removes them with the last connection, unless that is read-only, so a read-only connection is kept open the longest.
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
"""Types of file systems that only one machine mounts."""

SECONDS_TO_SWITCH = 2
SWITCH, CURRENT = "PRAGMA journal_mode = {}", "PRAGMA journal_mode"


def file_system(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds an absolute path, empty if it is unknown.

    mounts: the text of /proc/self/mountinfo; see proc(5).
    """
    kind, longest = "", -1
    for line in mounts.split("\n"):
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        # If two file systems are mounted at one place, the later one hides the other.
        if (path == point or point in path.parents) and len(point.parts) >= longest:
            kind, longest = after.split(" ")[0], len(point.parts)
    return kind


def is_local(path: Path) -> bool:
    """Return whether a file lies on a file system that only this machine mounts."""
    try:
        text = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    return file_system(Path(os.path.realpath(path)), text) in LOCAL


def choose_journal(path: Path) -> None:
    """Give a database a write-ahead log, if its file system allows it and no other connection prevents it.

    Without the log, readers still see the old rows during a swap, but a reader's transaction and a swap wait for each
    other.
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
        log.debug("the journal of %s cannot be changed now: %s", path, error)
        return
    if current != wanted:
        log.debug("%s has the journal %s, not %s", path, current, wanted)


def empty_log(path: Path) -> None:
    """Move the content of the log into the database, as far as readers allow, so that the log does not stay large."""
    try:
        connection = sqlite3.connect(path, timeout=SECONDS_TO_SWITCH, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    except sqlite3.Error as error:
        log.debug("the log of %s is not emptied: %s", path, error)


def keeper(path: str) -> sqlite3.Connection | None:
    """Open a read-only connection. If it is closed last, the files of the log remain. Returns None without a log."""
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
