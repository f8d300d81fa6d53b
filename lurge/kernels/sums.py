"""The kernel that sums records by two of their columns."""

from __future__ import annotations

import numpy as np

from lurge.kernels import record
from lurge.kernels.compiling import ONE, ZERO, compiled
from lurge.kernels.table import TableArrays, add_entry, find_or_add


@compiled
def add_records(fields, count, a, b, side, kinds, counted, *arrays):
    """Add `count` records, none of which had vanished, to the entries (column a, column b); there must be room.

    side: 1 for records in a base directory, -1 for those in none, 0 for all. kinds, counted: bool[256] by letter of
    the type, which records are added, and which of these are counted. arrays: those of the table.
    """
    table = TableArrays(*arrays)
    last_a = last_b = entry = np.int64(-1)
    for i in range(count):
        kind = fields[record.KIND, i]
        base = fields[record.BASE, i]
        if not kinds[kind] or (side > 0 and base < 0) or (side < 0 and base >= 0):
            continue
        value_a, value_b = fields[a, i], fields[b, i]
        if entry < 0 or value_a != last_a or value_b != last_b:
            entry = find_or_add(table, value_a, value_b, table.text, ZERO, ZERO)
            last_a, last_b = value_a, value_b
        size = np.uint64(fields[record.BYTES, i])
        add_entry(table, entry, size, fields[record.MTIME, i], ONE if counted[kind] else ZERO)
