"""The kernels that read vault keys: `<root>/.vault/<branch>/<key>` (docs/formats.md)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.compiling import ZERO, compiled, internal_kernel
from lurge.kernels.decode import VAULT, decode_base64, read_hex
from lurge.kernels.newlines import count_newlines, end_of_line
from lurge.kernels.parse import FILE, Rejected, reject
from lurge.model.report import SAMPLES_KEPT

BRANCHES = (b"keep", b"archive", b".staged", b".limbo", b".stash")
MARK = b"/.vault/"
NO_KEY, BAD_KEY = -1, -2
NO_DASH = np.int64(-1)
LONGEST_INODE = 16


@internal_kernel
def find_mark(path, length):
    """The place of the last `/.vault/` in path[:length]; -1 without one."""
    i = length - len(MARK)
    while i >= 0:
        if path[i] == 47 and path[i + 1] == 46:
            j = 2
            while j < len(MARK) and path[i + j] == MARK[j]:
                j += 1
            if j == len(MARK):
                return i
        i -= 1
    return -1


@internal_kernel
def is_word(path, start, end, word):
    """True if path[start:end] is `word`."""
    if end - start != len(word):
        return False
    for i in range(len(word)):
        if path[start + i] != word[i]:
            return False
    return True


@internal_kernel
def find_branch(path, start, end):
    """The number of the branch named path[start:end]; NO_KEY if none has that name."""
    if is_word(path, start, end, b"keep"):
        return 0
    if is_word(path, start, end, b"archive"):
        return 1
    if is_word(path, start, end, b".staged"):
        return 2
    if is_word(path, start, end, b".limbo"):
        return 3
    if is_word(path, start, end, b".stash"):
        return 4
    return NO_KEY


@internal_kernel
def decode_key(path, start, end, joined, out, at):
    """The relative path of the key in path[start:end] into out[at:]; returns its length, or BAD_KEY.

    joined: scratch of at least end - start bytes.
    """
    length = ZERO
    dash = NO_DASH
    for i in range(start, end):
        if path[i] != 47:
            if path[i] == 45 and dash < 0:
                dash = length
            joined[length] = path[i]
            length += 1
    if dash < 2 or dash % 2 != 0 or dash > LONGEST_INODE:
        return BAD_KEY
    for i in range(0, dash, 2):
        if read_hex(joined, i, i + 2) < 0:
            return BAD_KEY
    decoded = decode_base64(VAULT, joined, dash + 1, length, out, at)
    return decoded if decoded > 0 else BAD_KEY


@internal_kernel
def read_vault_path(path, length, joined, out, at):
    """The marked file of a path in a vault: (branch, length of the file's path in out[at:]).

    branch is NO_KEY if the path is not a key, BAD_KEY if it is a key that does not decode.
    """
    mark = find_mark(path, length)
    if mark < 0:
        return NO_KEY, 0
    start = mark + len(MARK)
    slash = start
    while slash < length and path[slash] != 47:
        slash += 1
    if slash >= length - 1:
        return NO_KEY, 0
    branch = find_branch(path, start, slash)
    if branch < 0:
        return NO_KEY, 0
    for i in range(mark):
        out[at + i] = path[i]
    out[at + mark] = 47
    relative = decode_key(path, slash + 1, length, joined, out, at + mark + 1)
    if relative < 0:
        return BAD_KEY, 0
    return branch, mark + 1 + relative


class VaultArrays(NamedTuple):
    """Vault rows in the order they were met.

    used: int64[2], rows and bytes of text. fields: int64[rows, 7], start, length, branch, uid, gid, size, mtime.
    text: uint8. joined: uint8, scratch for one key.
    """

    used: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]
    joined: npt.NDArray[np.uint8]


@compiled
def add_keys(fields, count, paths, text, first_line, *arrays):
    """Add the keys among `count` records, none of which had vanished; there must be room.

    Keys that do not decode are counted as rejected for the first reason, with their lines in `text`, whose first has
    the number `first_line`, as samples. arrays: those of VaultArrays and of Rejected.
    """
    vault, rejected = VaultArrays(*arrays[:4]), Rejected(*arrays[4:7])
    place = np.int64(-1)
    in_vault = False
    for i in range(count):
        start, length = fields[record.START, i], fields[record.LENGTH, i]
        path = paths[start:]
        if fields[record.PLACE, i] != place:
            place = fields[record.PLACE, i]
            in_vault = find_mark(path, fields[record.PARENT, i] + 1) >= 0
        if not in_vault or fields[record.KIND, i] != FILE:
            continue
        row, at = vault.used[0], vault.used[1]
        branch, decoded = read_vault_path(path, length, vault.joined, vault.text, at)
        if branch == BAD_KEY:
            line_start, line = fields[record.TEXT_START, i], ZERO
            if rejected.counts[0] < SAMPLES_KEPT:
                line = first_line + count_newlines(text[:line_start])
            reject(rejected, ZERO, line, text, line_start, end_of_line(text, line_start))
        if branch < 0:
            continue
        vault.fields[row, 0] = at
        vault.fields[row, 1] = decoded
        vault.fields[row, 2] = branch
        vault.fields[row, 3] = fields[record.UID, i]
        vault.fields[row, 4] = fields[record.GROUP, i]
        vault.fields[row, 5] = fields[record.WHOLE, i]
        vault.fields[row, 6] = fields[record.MTIME, i]
        vault.used[0] = row + 1
        vault.used[1] = at + decoded


@compiled
def find_keys(fields, count, paths, joined, marked, is_key):
    """Fill is_key[:count], uint8: 1 for each record that is a key of a vault, else 0.

    joined, marked: uint8, scratch for one path each.
    """
    place = np.int64(-1)
    in_vault = False
    for i in range(count):
        is_key[i] = 0
    for i in range(count):
        if fields[record.PLACE, i] != place:
            place = fields[record.PLACE, i]
            in_vault = find_mark(paths[fields[record.START, i] :], fields[record.PARENT, i] + 1) >= 0
        if in_vault and fields[record.KIND, i] == FILE:
            path = paths[fields[record.START, i] :]
            is_key[i] = read_vault_path(path, fields[record.LENGTH, i], joined, marked, ZERO)[0] >= 0
