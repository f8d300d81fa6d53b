"""The columns of records: arrays of int64, one record beside another."""

from __future__ import annotations

START, LENGTH, PARENT = range(3)
"""The path: where it lies in `paths`, its length, and the length of its directory's path."""

KIND, BYTES, WHOLE, NLINK, UID, GID, MTIME, ATIME = range(3, 11)
"""The letter of the type; the size that counts, which is a hard link's share, and the whole size; the number of links,
0 if the entry had vanished; Unix seconds, at most the dump's time."""

TEXT_START = 11
"""Where the line begins in the text that was read."""

GROUP, BASE, BASE_LENGTH, PLACE = range(12, 16)
"""The gid for which the record counts; the number of its base directory, -1 without one; the length of that one's
path; and a number that neighbours share which are in one directory, of one gid, and count for the same."""

COLUMNS = 16
