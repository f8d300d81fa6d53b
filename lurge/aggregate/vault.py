"""The kernel that reads vault keys: `<root>/.vault/<branch>/<key>` (docs/formats.md)."""

from __future__ import annotations

import numpy as np

from lurge.aggregate.decode import VAULT, decode_base64, read_hex
from lurge.compiled import ZERO, compiled, within

BRANCHES = (b"keep", b"archive", b".staged", b".limbo", b".stash")
MARK = b"/.vault/"
NO_KEY, BAD_KEY = -1, -2
NO_DASH = np.int64(-1)
LONGEST_INODE = 16


@within
def find_mark(path, length):
    """Where the last `/.vault/` in path[:length] begins, -1 where there is none."""
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


@within
def same_bytes(path, start, end, word):
    if end - start != len(word):
        return False
    for i in range(len(word)):
        if path[start + i] != word[i]:
            return False
    return True


@within
def find_branch(path, start, end):
    """The number of the branch that path[start:end] names, NO_KEY where it names none."""
    if same_bytes(path, start, end, b"keep"):
        return 0
    if same_bytes(path, start, end, b"archive"):
        return 1
    if same_bytes(path, start, end, b".staged"):
        return 2
    if same_bytes(path, start, end, b".limbo"):
        return 3
    if same_bytes(path, start, end, b".stash"):
        return 4
    return NO_KEY


@within
def decode_key(path, start, end, joined, out, at):
    """The relative path of the key in path[start:end] into out[at:]; returns its length, BAD_KEY where it is none.

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


@compiled
def read_vault_path(path, length, joined, out, at):
    """The file that a path in a vault stands for: (branch, length of its path in out[at:]).

    branch is NO_KEY where the path is no key, BAD_KEY where it is one that does not decode.
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
