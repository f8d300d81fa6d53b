"""The kernel that gathers directories at given depths that hold files."""

from __future__ import annotations

import numpy as np

from lurge.kernels import record
from lurge.kernels.compiling import ONE, ZERO, compiled, internal_kernel
from lurge.kernels.lookup import ANY_GROUP, LookupArrays, find_boundaries, find_longest
from lurge.kernels.parse import FILE
from lurge.kernels.table import TableArrays, add_entry, find_or_add


@internal_kernel
def length_at_depth(path, length, depth, shallow):
    """Length of the directory of path[:length] that is `depth` components below the root.

    If the path is not that deep: of the directory that it is in, or, unless `shallow`, -1.
    """
    slashes = 0
    last = -1
    for i in range(length):
        if path[i] == 47:
            slashes += 1
            if slashes > depth:
                return i
            last = i
    return last if shallow else -1


@compiled
def add_directories(fields, count, paths, default_depth, shallow, *arrays):
    """Add the directories of the files among `count` records; there must be room.

    arrays: those of the table and of the LookupArrays of path -> depth.
    """
    table = TableArrays(*arrays[:6])
    depths = LookupArrays(TableArrays(*arrays[6:12]), arrays[12], arrays[13], arrays[14])
    for i in range(count):
        if fields[record.KIND, i] != FILE or fields[record.NLINK, i] == 0:
            continue
        path, length = paths[fields[record.START, i] :], fields[record.LENGTH, i]
        entry = find_longest(depths, ANY_GROUP, path, find_boundaries(depths, path, length))
        depth = default_depth if entry < 0 else depths.value[entry]
        directory_length = length_at_depth(path, length, depth, shallow)
        if directory_length >= 0:
            entry = find_or_add(table, fields[record.GID, i], ZERO, path, ZERO, directory_length)
            add_entry(table, entry, np.uint64(0), fields[record.MTIME, i], ONE)
