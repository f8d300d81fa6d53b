"""Kernels of the tree index that work on many rows at once equal plain loops."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from lurge.aggregate.rollup import Cells
from lurge.aggregate.suffixes import compile_suffixes
from lurge.kernels.cells import (
    AGES,
    BINS,
    BYTES,
    BYTES_A,
    BYTES_M,
    CELL_COLUMNS,
    CLASSES,
    FIRST_A,
    FIRST_M,
    GID,
    KEY,
    LAST_A,
    LAST_M,
    LONGEST_CELL,
    RECORDS,
    RECORDS_A,
    SIZES,
    write_cell,
)
from lurge.kernels.pages import (
    DIRECTORIES,
    FILES,
    ID,
    MOST_CODES,
    UID,
    USAGE_COLUMNS,
    USAGE_NUMBERS,
    append_cells,
    append_paths,
)
from lurge.kernels.suffixes import Suffixes, filetype_of, tail_of
from lurge.kernels.tree import TRANSLATION
from lurge.kernels.wide import VECTOR
from lurge.model.rules import FileType
from lurge.store.tree.encode import ROWS_A_VALUE, Encoder
from lurge.store.tree.layout import USAGE
from lurge.store.tree.waiting import WaitingUsage

TYPES = 3
FILE_TYPES = {0, 1, 2, TYPES, TYPES + 4}
ENCODER = Encoder()

write_one = njit(lambda buffer, at, cell: write_cell(buffer, at, cell))


def random_cells(random: np.random.Generator, count: int) -> np.ndarray:
    """int64[count, CELL_COLUMNS]: cells as they may be, whose sums are those of their bins."""
    cells = np.zeros((count, CELL_COLUMNS), np.int64)
    cells[:, GID] = random.integers(0, 2**32, count)
    cells[:, KEY] = random.integers(0, 2**31, count) << 32 | random.integers(0, TYPES + 5, count)
    for row in cells:
        limit = int(random.choice([2, 300, 2**40]))
        for _ in range(int(random.choice([1, 1, 2, 9]))):
            size, age, accessed = int(random.integers(0, limit)), *random.integers(0, AGES, 2).tolist()
            row[RECORDS] += 1
            row[BYTES] += size
            row[BINS + age] += 1
            row[BYTES_M + age] += size
            row[RECORDS_A + accessed] += 1
            row[BYTES_A + accessed] += size
            row[SIZES + int(random.integers(0, CLASSES))] += 1
        for first, last in ((FIRST_M, LAST_M), (FIRST_A, LAST_A)):
            row[first] = random.integers(-(2**40), 2**40)
            row[last] = row[first] if row[RECORDS] == 1 else row[first] + random.integers(0, 2**33)
    return cells


def as_text(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells as they wait, and the length of each."""
    text, at = np.zeros(LONGEST_CELL * len(cells) + VECTOR, np.uint8), 0
    lengths = np.zeros(len(cells), np.int32)
    for number, row in enumerate(cells):
        after = write_one(text, at, row)
        lengths[number], at = after - at, after
    return text[: at + VECTOR], lengths


def plain_rows(cells: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """int64[count, numbers]: the rows of usage of some cells."""
    rows = np.zeros((len(cells), USAGE_COLUMNS), np.int64)
    rows[:, :CELL_COLUMNS] = cells
    for row, identity in zip(rows, ids, strict=True):
        filetype = row[KEY] & 0xFFFFFFFF
        row[ID], row[UID] = identity, row[KEY] >> 32
        row[FILES] = row[RECORDS] if filetype in FILE_TYPES else 0
        row[DIRECTORIES] = row[RECORDS] if filetype == TYPES + 1 else 0
    return rows[:, USAGE_NUMBERS]


@given(seed=st.integers(0, 2**32), count=st.one_of(st.integers(1, 200), st.integers(1000, 1100)))
def test_columns_have_the_numbers_of_the_cells(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    cells, ids = random_cells(random, count), np.sort(random.integers(0, 2**50, count))
    columns, filetypes = ENCODER.columns(as_text(cells)[0], ids, TYPES)
    for column, expected in zip(columns, plain_rows(cells, ids).T, strict=True):
        values = column.values if column.codes is None else column.values[column.codes]
        assert (values == expected).all()
        different = len(set(expected.tolist()))
        assert (column.codes is not None) == (different <= min(MOST_CODES, count // ROWS_A_VALUE))
        assert column.codes is None or len(column.values) == different
    assert (filetypes == cells[:, KEY] & 0xFFFFFFFF).all()


@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(0, 30), max_size=12), room=st.integers(1, 40))
def test_cells_are_appended_whatever_the_room(seed: int, counts: list[int], room: int) -> None:
    random = np.random.default_rng(seed)
    cells = random_cells(random, sum(counts))
    text, lengths = as_text(cells)
    starts = np.cumsum([0, *counts])
    byte_starts = np.cumsum([0, *lengths])[starts]
    ranges = np.array([byte_starts[:-1], starts[:-1], counts], np.int64).T.copy()
    ids = np.arange(len(counts)) + 7
    state, taken, taken_ids = np.zeros(5, np.int64), b"", []
    waiting, waiting_ids = np.zeros(4 * LONGEST_CELL + VECTOR, np.uint8), np.zeros(room, np.int64)
    while True:
        append_cells(waiting, waiting_ids, state, ranges, text, lengths, ids)
        rows, used = state[:2].tolist()
        taken += waiting[:used].tobytes()
        taken_ids += waiting_ids[:rows].tolist()
        state[:2] = 0
        if state[2] == len(ranges):
            break
        assert rows
    assert taken == text[:-VECTOR].tobytes()
    assert taken_ids == np.repeat(ids, counts).tolist()


@given(seed=st.integers(0, 2**32), count=st.integers(1, 60))
def test_kernels_may_read_behind_the_cells_of_a_row_group_that_travels(seed: int, count: int) -> None:
    cells = random_cells(np.random.default_rng(seed), count)
    text, lengths = as_text(cells)
    waiting = WaitingUsage(Path("unwritten"), USAGE, (b"a",))
    assert not list(waiting.add(np.ones(1, np.int64), np.array([[0, 0, count]]), Cells(text, lengths)))
    (group,) = waiting.rest()
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(group.rows, protocol=5, buffer_callback=buffers.append)
    travelled = pickle.loads(head, buffers=[bytearray(buffer.raw()) for buffer in buffers])
    assert travelled.text[:-VECTOR].tobytes() == text[:-VECTOR].tobytes()


@given(paths=st.lists(st.binary(max_size=30).map(lambda path: path.replace(b"\0", b"")), max_size=9))
def test_paths_are_written_as_they_are(paths: list[bytes]) -> None:
    translated = np.frombuffer(b"".join(paths).translate(TRANSLATION), np.uint8)
    lengths = np.array([len(path) for path in paths], np.int64)
    text, places = np.zeros(5 * len(paths) + len(translated), np.uint8), np.zeros((len(paths), 2), np.int64)
    end = append_paths(text, 0, translated, np.cumsum(lengths) - lengths, lengths, places)
    written = [path or b"/" for path in paths]
    assert text[:end].tobytes() == b"".join(len(path).to_bytes(4, "little") + path for path in written)
    assert [text[start : start + length].tobytes() for start, length in places.tolist()] == written


@njit
def look_up(names, starts, lengths, found, *arrays):  # type: ignore[no-untyped-def]
    suffixes = Suffixes(*arrays)
    for i in range(len(starts)):
        path = names[starts[i] :]
        found[i, 0], found[i, 1] = filetype_of(suffixes, tail_of(path, lengths[i]), path, 1, lengths[i])


PIECES = st.sampled_from(
    [".", "a", "b", "0", "1", ".gz", ".a", ".b", "fastq", ".fastq.gz", "~", ".A", ".longer12", "é"]
)


@given(
    suffixes=st.lists(st.lists(PIECES, min_size=1, max_size=3).map("".join), min_size=1, max_size=12),
    names=st.lists(st.lists(PIECES, max_size=5).map("".join), min_size=1, max_size=40),
)
def test_the_filetypes_of_a_name_are_those_of_its_suffixes(suffixes: list[str], names: list[str]) -> None:
    filetypes = [FileType(str(number), (suffix,)) for number, suffix in enumerate(suffixes)]
    paths = [f"/d/{name}".encode() for name in names for _ in range(2)]
    lengths = np.array([len(path) for path in paths], np.int64)
    text = np.frombuffer(bytearray(b"".join(paths) + bytes(8)), np.uint8)
    found = np.zeros((len(paths), 2), np.int64)
    look_up(text, np.cumsum(lengths) - lengths, lengths, found, *compile_suffixes(filetypes))
    for path, (first, has_more) in zip(paths, found.tolist(), strict=True):
        name = path[3:].lower()
        matching = [i for i, suffix in enumerate(suffixes) if name.endswith(suffix.encode().lower())]
        assert first == (matching[0] if matching else -1)
        assert has_more == (len(matching) > 1)
