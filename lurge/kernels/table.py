"""A hash table that compiled code fills: keys of two integers and a name, values that sum exactly.

Keys are compared whole, so a hash collision costs time and never correctness. What people name their files decides the
keys, so each table hashes with a secret of its own: without it nobody can choose names that collide. Sums are 128 bits
wide, so that no number of 64-bit sizes overflows them; their high words are apart, because hardly ever is one touched.
Compiled code never grows a table: Python makes room (`aggregate.table`) before it hands records over.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.compiling import ZERO, compiled, inline_kernel, internal_kernel
from lurge.kernels.wide import folded_product, load64

ENTRIES, NAME_BYTES, LATEST, CARRIED = range(4)
HASH, A, B, NAME, LENGTH, NEWEST, COUNT, SUMS = range(8)
"""Columns of `TableArrays.rows`; from SUMS on, the low word of each sum."""

OLDEST = -(2**63)

Rows = npt.NDArray[np.uint64]
Text = npt.NDArray[np.uint8]


class TableArrays(NamedTuple):
    """The arrays of one table, as compiled code sees them.

    used: int64[4], the entries, the bytes of names, the entry last found, and whether any high word is not 0. slots:
    int32, a power of two long, -1 where empty. rows: uint64[entries, SUMS + sums]; signed columns are reinterpreted.
    high: uint64[entries, sums], the high words of the sums. text: uint8, the names. secret: uint64[2], what the hash
    begins with, and by what it multiplies.
    """

    used: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int32]
    rows: Rows
    high: Rows
    text: Text
    secret: Rows


def new_secret() -> Rows:
    """A secret for `hash_key`; the multiplier is odd, so that it loses no bit."""
    secret = np.frombuffer(bytearray(os.urandom(16)), np.uint64)
    secret[1] |= np.uint64(1)
    return secret


def new_arrays(sums: int, entries: int, text: int, secret: Rows) -> TableArrays:
    """Arrays with room for some entries and bytes of names; unused room takes no memory."""
    return TableArrays(
        used=np.array([0, 0, -1, 0], np.int64),
        slots=np.full(2 * entries, -1, np.int32),
        rows=np.zeros((entries, SUMS + sums), np.uint64),
        high=np.zeros((entries, sums), np.uint64),
        text=np.zeros(text, np.uint8),
        secret=secret,
    )


@internal_kernel
def hash_key(secret, a, b, name, start, length):
    """64 bits from a whole key, eight bytes of the name at a time."""
    value, factor = secret[0], secret[1]
    value = folded_product(value ^ np.uint64(length), factor)
    value = folded_product(value ^ np.uint64(a), factor)
    value = folded_product(value ^ np.uint64(b), factor)
    end = start + length
    if length < 8:
        word = np.uint64(0)
        for i in range(start, end):
            word = word << np.uint64(8) | np.uint64(name[i])
        return folded_product(value ^ word, factor)
    at = start
    while at + 8 < end:
        value = folded_product(value ^ load64(name, at), factor)
        at += 8
    return folded_product(value ^ load64(name, end - 8), factor)


@inline_kernel
def same_bytes(left, at, right, there, length):
    """True if left[at:at + length] equals right[there:there + length]."""
    if length < 8:
        for i in range(length):
            if left[at + i] != right[there + i]:
                return False
        return True
    i = 0
    while i + 8 < length:
        if load64(left, at + i) != load64(right, there + i):
            return False
        i += 8
    return load64(left, at + length - 8) == load64(right, there + length - 8)


@inline_kernel
def same_key(table, entry, a, b, name, start, length):
    rows = table.rows
    if rows[entry, A] != np.uint64(a) or rows[entry, B] != np.uint64(b) or rows[entry, LENGTH] != np.uint64(length):
        return False
    return same_bytes(table.text, np.int64(rows[entry, NAME]), name, start, length)


@internal_kernel
def find(table, a, b, name, start, length, key_hash):
    """The entry of a key; if it has none, -1 minus the slot where it belongs."""
    mask = len(table.slots) - 1
    slot = np.int64(key_hash & np.uint64(mask))
    while True:
        entry = np.int64(table.slots[slot])
        if entry < 0:
            return -1 - slot
        if table.rows[entry, HASH] == key_hash and same_key(table, entry, a, b, name, start, length):
            return entry
        slot = (slot + 1) & mask


@compiled
def find_or_add(table, a, b, name, start, length):
    """The entry of the key (a, b, name[start:start+length]); there must be room for a new one."""
    latest = table.used[LATEST]
    if latest >= 0 and same_key(table, latest, a, b, name, start, length):
        return latest
    key_hash = hash_key(table.secret, a, b, name, start, length)
    entry = find(table, a, b, name, start, length, key_hash)
    if entry < 0:
        slot = -1 - entry
        entry = table.used[ENTRIES]
        at = table.used[NAME_BYTES]
        table.slots[slot] = entry
        row = table.rows
        row[entry, HASH] = key_hash
        row[entry, A] = np.uint64(a)
        row[entry, B] = np.uint64(b)
        row[entry, NAME] = np.uint64(at)
        row[entry, LENGTH] = np.uint64(length)
        row[entry, NEWEST] = np.uint64(OLDEST)
        for i in range(length):
            table.text[at + i] = name[start + i]
        table.used[ENTRIES] = entry + 1
        table.used[NAME_BYTES] = at + length
    table.used[LATEST] = entry
    return entry


@inline_kernel
def add_sum(table, entry, number, low, high):
    """Add the 128-bit number (high, low) to one sum."""
    column = SUMS + number
    total = table.rows[entry, column] + low
    table.rows[entry, column] = total
    if total < low:
        high += np.uint64(1)
    if high:
        table.high[entry, number] += high
        table.used[CARRIED] = 1


@inline_kernel
def add_entry(table, entry, size, mtime, count):
    """Add to the first sum and the count of an entry, and raise its newest mtime."""
    add_sum(table, entry, ZERO, size, np.uint64(0))
    if mtime > np.int64(table.rows[entry, NEWEST]):
        table.rows[entry, NEWEST] = np.uint64(mtime)
    table.rows[entry, COUNT] += np.uint64(count)


@compiled
def refill_slots(slots, rows, entries):
    mask = len(slots) - 1
    for entry in range(entries):
        slot = np.int64(rows[entry, HASH] & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = entry


@compiled
def merge_entries(table, rows, high, text):
    """Add another table's entries, for which there must be room; high may be empty where all its words are 0."""
    for i in range(len(rows)):
        length = np.int64(rows[i, LENGTH])
        entry = find_or_add(table, np.int64(rows[i, A]), np.int64(rows[i, B]), text, np.int64(rows[i, NAME]), length)
        add_entry(table, entry, np.uint64(0), np.int64(rows[i, NEWEST]), np.int64(rows[i, COUNT]))
        for number in range(rows.shape[1] - SUMS):
            add_sum(table, entry, number, rows[i, SUMS + number], high[i, number] if len(high) else np.uint64(0))
