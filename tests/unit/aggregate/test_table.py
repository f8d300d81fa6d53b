"""Hash tables: collisions, growth, sums beyond 64 bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.aggregate.table import Export, Row, Table
from lurge.kernels.compiling import compiled
from lurge.kernels.table import HASH, SUMS, add_entry, add_sum, find_or_add, refill_slots

keys = st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 2), st.binary(max_size=5))
additions = st.lists(st.tuples(keys, st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)), max_size=60)


@compiled
def add_twice(table, entry, size, mtime):
    """Adds to the first sum, and as both words to the second."""
    add_entry(table, entry, size, mtime, np.int64(1))
    add_sum(table, entry, np.int64(1), size, size)


def add(table: Table, key: tuple[int, int, bytes], size: int, mtime: int) -> None:
    a, b, name = key
    table.make_room(len(name))
    text = np.frombuffer(bytearray(name + b"\0"), np.uint8)
    entry = find_or_add(table.arrays, a, b, text, 0, len(name))
    add_twice(table.arrays, entry, np.uint64(size), np.int64(mtime))


def expected(what: list[tuple[tuple[int, int, bytes], int, int]]) -> list[Row]:
    found: dict[tuple[int, int, bytes], Row] = {}
    for key, size, mtime in what:
        old = found.get(key, Row(*key, (0, 0), -(2**63), 0))
        sums = (old.sums[0] + size, (old.sums[1] + size + (size << 64)) % 2**128)
        found[key] = Row(*key, sums, max(old.newest, mtime), old.counted + 1)
    return sorted(found.values())


@given(what=additions)
def test_sums_are_exact(what: list[tuple[tuple[int, int, bytes], int, int]]) -> None:
    table = Table(sums=2, entries=2, text=1)
    for item in what:
        add(table, *item)
    assert sorted(table.rows()) == expected(what)


@given(what=additions, split=st.integers(0, 60))
def test_merging_is_adding(what: list[tuple[tuple[int, int, bytes], int, int]], split: int) -> None:
    parts = [Table(sums=2, entries=2, text=1) for _ in range(3)]
    for i, item in enumerate(what):
        add(parts[0 if i < split else 1], *item)
    for part in parts[:2]:
        parts[2].merge(part.export())
    assert sorted(parts[2].rows()) == expected(what)


@pytest.mark.parametrize("distinct", [1, 500])
def test_equal_hashes_do_not_merge_keys(distinct: int) -> None:
    """Every entry is given one hash, as if all keys collided; then all are found again."""
    table = Table(sums=2, entries=1024)
    for number in range(500):
        add(table, (number, 0, b"x" * (number % 3)), 1, 0)
    rows = table.arrays.rows
    before = sorted(table.rows())
    other = Table(sums=2, entries=4)
    other.merge(Export(*(array.copy() for array in table.export())))
    rows[:500, HASH] = rows[:distinct, HASH][0]
    table.arrays.slots[:] = -1
    refill_slots(table.arrays.slots, rows, 500)
    assert sorted(table.rows()) == before == sorted(other.rows())
    assert rows.shape[1] == SUMS + 2


def colliding_names(blocks: int) -> list[bytes]:
    """2**blocks names that one hash cannot tell apart, whatever it begins with.

    A hash that multiplies by a known odd number and folds the high half into the low one turns a difference in a word's
    highest bit into one that is known, which the next word takes back.
    """
    names = [b""]
    for _ in range(blocks):
        first, second = b"crafted_", b"names_xy"
        other = bytes([*first[:7], first[7] ^ 0x80])
        taken_back = bytes([*second[:3], second[3] ^ 0x80, *second[4:7], second[7] ^ 0x80])
        names = [name + block for name in names for block in (first + second, other + taken_back)]
    return names


def test_names_cannot_be_chosen_to_collide() -> None:
    names = colliding_names(10)
    assert len({known_hash(name) for name in names}) == 1
    for _ in range(3):
        table = Table(sums=2)
        for name in names:
            add(table, (1, 0, name), 1, 0)
        used = table.arrays.rows[: len(names), HASH]
        assert len(np.unique(used)) == len(names)
        slots = used & np.uint64(4 * len(names) - 1)
        assert len(np.unique(slots)) > len(names) // 2


def known_hash(name: bytes) -> int:
    value = len(name)
    for at in range(0, len(name), 8):
        value = (value ^ int.from_bytes(name[at : at + 8], "little")) * 0xD6E8FEB86659FD93 % 2**64
        value ^= value >> 32
    return value


def test_each_table_has_a_secret_of_its_own() -> None:
    hashes = set()
    for _ in range(8):
        table = Table(sums=2)
        add(table, (1, 0, b"name"), 1, 0)
        hashes.add(int(table.arrays.rows[0, HASH]))
    assert len(hashes) == 8
