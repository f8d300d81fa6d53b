"""The columns of a dump's line, numbered. Those of a record are in `record`."""

from __future__ import annotations

PATH, SIZE, UID, GID, ATIME, MTIME, CTIME, TYPE, INODE, NLINK, DEVICE, APPARENT = range(12)
"""The columns of a dump's line (docs/formats.md); the last is missing in older dumps."""

DUMP_COLUMNS = 12
