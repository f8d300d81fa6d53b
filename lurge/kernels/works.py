"""The kernel that counts the files of works: directories at a certain depth of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels import record
from lurge.kernels.compiling import ONE, ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.parse import DIRECTORY, FILE
from lurge.kernels.words import pack_words
from lurge.model.paths import without_trailing_slash
from lurge.model.works import JUNK, JUNK_PREFIX, CountRules

ROOT, DATED, WORK, LATE = (np.int64(kind) for kind in range(4))
"""Kinds of rows: the tree itself; a directory whose ctime is a date of creation; a work with what some records add to
it; and a file of a work whose mtime is that of the dump or later."""

ROW_KIND, TREE, START, LENGTH, RECORD, IMAGES, FILES, HIGH, LOW, NEWEST, ARCHIVED, HAS_ARCHIVE = range(12)
"""The columns of rows. START, LENGTH: the path in `paths`. HIGH, LOW: the sums of the halves of sizes."""

ROW_COLUMNS = 12
ROWS_A_RECORD = 3
"""Rows that one record adds to a tree, at most."""

NOWHERE, AMONG_PROJECTS, AMONG_WORKS, IN_WORK = (np.int64(place) for place in range(4))
PLACE, WORK_LENGTH, IS_ARCHIVE, IS_ARCHIVED, ROW = range(5)
"""The columns of `WorkTrees.now`: where the records of a directory are; the length of their work's path; whether the
directory is in the archive of the work, and in a directory of that; and the row of the work."""

LEAST = np.int64(-(2**63))


class WorkTrees(NamedTuple):
    """The trees, and the names that matter.

    text: uint8. trees: int64[n, 3], start and length of the path in text, without a slash at the end, and the depth of
    works. words: int64[k, 2], start and length in text: the name of the archive, the beginning of junk, then the names
    of junk. suffixes: int64[m, 2], of images, in lower case. now: int64[n, 5], of the directory of the last record.
    """

    text: npt.NDArray[np.uint8]
    trees: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    suffixes: npt.NDArray[np.int64]
    now: npt.NDArray[np.int64]


def known_names(counting: CountRules, trees: Sequence[tuple[bytes, int]] = ()) -> WorkTrees:
    """The names that matter for counting, and trees: their paths and the depths of their works."""
    paths = [without_trailing_slash(path) for path, _ in trees]
    words = [counting.archive, JUNK_PREFIX, *sorted(JUNK)]
    text, places = pack_words([*paths, *words, *counting.suffixes])
    after_words = len(paths) + len(words)
    searched = [(*place, depth) for place, (_, depth) in zip(places, trees, strict=False)]
    return WorkTrees(
        text,
        np.array(searched, np.int64).reshape(-1, 3),
        np.array(places[len(paths) : after_words], np.int64),
        np.array(places[after_words:], np.int64).reshape(-1, 2),
        np.zeros((len(trees), 5), np.int64),
    )


@internal_kernel
def is_text(path, start, text, at, size):
    """True if path[start:] begins with text[at:at + size]. The caller knows that the path is long enough."""
    for i in range(size):
        if path[start + i] != text[at + i]:
            return False
    return True


@internal_kernel
def end_of_component(path, start, end):
    """The place of the next slash in path[start:end], or end."""
    while start < end and path[start] != 47:
        start += 1
    return start


@internal_kernel
def find_place(known, tree, path, parent):
    """Fill now[tree] for the records of the directory path[:parent]. The row stays."""
    now = known.now
    now[tree, PLACE] = NOWHERE
    at, size, depth = known.trees[tree, 0], known.trees[tree, 1], known.trees[tree, 2]
    if parent < size or (parent > size and path[size] != 47) or not is_text(path, ZERO, known.text, at, size):
        return
    end, level = size, ZERO
    while level < depth and end < parent:
        end = end_of_component(path, end + 1, parent)
        level += 1
    if level < depth:
        now[tree, PLACE] = AMONG_WORKS if level == depth - 1 else AMONG_PROJECTS
        return
    now[tree, PLACE], now[tree, WORK_LENGTH] = IN_WORK, end
    first = end_of_component(path, end + 1, parent)
    word, length = known.words[0, 0], known.words[0, 1]
    is_archive = end < parent and first - end - 1 == length and is_text(path, end + 1, known.text, word, length)
    now[tree, IS_ARCHIVE] = ONE if is_archive else ZERO
    now[tree, IS_ARCHIVED] = ONE if is_archive and first < parent else ZERO


@internal_kernel
def is_junk(known, path, start, length):
    """True for a file whose name path[start:length] is never counted."""
    for i in range(1, len(known.words)):
        at, size = known.words[i, 0], known.words[i, 1]
        fits = length - start >= size if i == 1 else length - start == size
        if fits and is_text(path, start, known.text, at, size):
            return True
    return False


@internal_kernel
def is_image(known, path, start, length):
    """True for a file whose name path[start:length] has the suffix of an image."""
    for i in range(len(known.suffixes)):
        at, size = known.suffixes[i, 0], known.suffixes[i, 1]
        if length - start < size:
            continue
        j = ZERO
        while j < size:
            letter = path[length - size + j]
            if 65 <= letter <= 90:
                letter += np.uint8(32)
            if letter != known.text[at + j]:
                break
            j += 1
        if j == size:
            return True
    return False


@inline_kernel
def new_row(rows, count, kind, tree, start, length, i):
    """Add a row; returns the number of rows."""
    for column in range(ROW_COLUMNS):
        rows[count, column] = 0
    rows[count, ROW_KIND], rows[count, TREE], rows[count, START], rows[count, LENGTH] = kind, tree, start, length
    rows[count, RECORD], rows[count, NEWEST] = i, LEAST
    return count + 1


@internal_kernel
def row_of_work(rows, count, known, tree, paths, start, length, i):
    """The row of a work: the last one of its tree if that is of this work, else a new one. Returns (row, rows)."""
    last = known.now[tree, ROW]
    if last >= 0 and rows[last, LENGTH] == length and is_text(paths[start:], ZERO, paths, rows[last, START], length):
        return last, count
    known.now[tree, ROW] = count
    return count, new_row(rows, count, WORK, tree, start, length, i)


@internal_kernel
def add_file(rows, row, known, path, parent, length, size, counts_all):
    """Add a file to the row of its work; returns False if it does not count."""
    if is_junk(known, path, parent + 1, length):
        return False
    rows[row, FILES] += 1
    rows[row, IMAGES] += ONE if counts_all or is_image(known, path, parent + 1, length) else ZERO
    rows[row, HIGH] += size >> 32
    rows[row, LOW] += size & 0xFFFFFFFF
    return True


@compiled
def add_works(fields, count, paths, dump_time, counts_all, rows, *arrays):
    """Sum `count` records, none of which had vanished, by works; returns the number of rows.

    counts_all: whether every file counts as an image. rows: int64[trees * ROWS_A_RECORD * count at least, ROW_COLUMNS],
    written. arrays: those of WorkTrees.
    """
    known = WorkTrees(*arrays)
    trees = len(known.trees)
    made = ZERO
    place = np.int64(-1)
    for tree in range(trees):
        known.now[tree, ROW] = -1
        known.now[tree, PLACE] = NOWHERE
    for i in range(count):
        start, length, parent = fields[record.START, i], fields[record.LENGTH, i], fields[record.PARENT, i]
        path = paths[start:]
        if length == parent + 1:  # The root has no name.
            continue
        kind = fields[record.KIND, i]
        moved = fields[record.PLACE, i] != place
        place = fields[record.PLACE, i]
        for tree in range(trees):
            if moved:
                find_place(known, tree, path, parent)
            where = known.now[tree, PLACE]
            if where == NOWHERE:
                at, size = known.trees[tree, 0], known.trees[tree, 1]
                if length == size and kind == DIRECTORY and is_text(path, ZERO, known.text, at, size):
                    made = new_row(rows, made, ROOT, tree, start, length, i)
            elif where == IN_WORK:
                row, made = row_of_work(rows, made, known, tree, paths, start, known.now[tree, WORK_LENGTH], i)
                rows[row, HAS_ARCHIVE] |= known.now[tree, IS_ARCHIVE]
                if kind == DIRECTORY and parent == known.now[tree, WORK_LENGTH]:
                    word, size = known.words[0, 0], known.words[0, 1]
                    if length - parent - 1 == size and is_text(path, parent + 1, known.text, word, size):
                        rows[row, HAS_ARCHIVE] = ONE
                elif kind == FILE and add_file(
                    rows, row, known, path, parent, length, fields[record.WHOLE, i], counts_all
                ):
                    rows[row, ARCHIVED] += known.now[tree, IS_ARCHIVED]
                    mtime = fields[record.MTIME, i]
                    rows[row, NEWEST] = max(rows[row, NEWEST], mtime)
                    if mtime >= dump_time:
                        made = new_row(rows, made, LATE, tree, start, known.now[tree, WORK_LENGTH], i)
            elif kind == DIRECTORY:
                is_work = where == AMONG_WORKS
                if is_work:
                    _, made = row_of_work(rows, made, known, tree, paths, start, length, i)
                if not is_work or known.trees[tree, 2] == 1:
                    made = new_row(rows, made, DATED, tree, start, length, i)
    return made
