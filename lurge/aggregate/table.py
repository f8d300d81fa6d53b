"""A hash table of sums that grows, and what it exports."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.kernels.table import (
    CARRIED,
    COUNT,
    ENTRIES,
    LENGTH,
    NAME,
    NAME_BYTES,
    NEWEST,
    SUMS,
    A,
    B,
    Rows,
    Text,
    merge_entries,
    new_arrays,
    new_secret,
    refill_slots,
)


class Row(NamedTuple):
    """One entry with whole numbers of any size."""

    a: int
    b: int
    name: bytes
    sums: tuple[int, ...]
    newest: int
    counted: int


class Export(NamedTuple):
    """The used part of a table's arrays; high is empty where all its words are 0."""

    rows: Rows
    high: Rows
    text: Text

    def sums(self) -> npt.NDArray[Any]:
        """[entries, sums]: int64, or, if one does not fit, whole numbers as objects."""
        low = self.rows[:, SUMS:]
        if not len(self.high) and low.max(initial=0) < 2**63:
            return low.view(np.int64)
        high = self.high if len(self.high) else np.zeros_like(low)
        sums: npt.NDArray[Any] = low.astype(object) + (high.astype(object) << 64)
        return sums

    def signed(self, column: int) -> npt.NDArray[np.int64]:
        """int64[entries]: one column before SUMS."""
        return self.rows[:, column].view(np.int64)

    def entries(self) -> list[Row]:
        """All entries as rows, in no particular order."""
        text = self.text.tobytes()
        columns = [self.signed(column).tolist() for column in (A, B, NAME, LENGTH, NEWEST, COUNT)]
        return [
            Row(a, b, text[name : name + length], tuple(sums), newest, count)
            for a, b, name, length, newest, count, sums in zip(*columns, self.sums().tolist(), strict=True)
        ]


class Table:
    """A growing table; `arrays` is what compiled code works on (fetch it again after `make_room`)."""

    def __init__(self, sums: int = 1, entries: int = 1024, text: int = 1 << 17) -> None:
        self.arrays = new_arrays(sums, entries, text, new_secret())

    def make_room(self, name_bytes: int, more: int = 1) -> None:
        """Grow, if necessary, until `more` entries with names of `name_bytes` together fit."""
        old = self.arrays
        used, text_used = int(old.used[ENTRIES]), int(old.used[NAME_BYTES])
        entries, text = len(old.rows), len(old.text)
        if used + more <= entries and text_used + name_bytes <= text:
            return
        while used + more > entries:
            entries *= 2
        while text_used + name_bytes > text:
            text = 2 * text + 1
        new = new_arrays(old.high.shape[1], entries, text, old.secret)
        new.used[:] = old.used
        new.rows[:used] = old.rows[:used]
        if old.used[CARRIED]:
            new.high[:used] = old.high[:used]
        new.text[:text_used] = old.text[:text_used]
        refill_slots(new.slots, new.rows, used)
        self.arrays = new

    def clear(self) -> None:
        """Forget all entries, and keep the room for as many."""
        arrays = self.arrays
        used = int(arrays.used[ENTRIES])
        arrays.rows[:used] = 0
        if arrays.used[CARRIED]:
            arrays.high[:used] = 0
        arrays.slots[:] = -1
        arrays.used[:] = (0, 0, -1, 0)

    def export(self) -> Export:
        """The used part, as views, for `merge`."""
        used, text_used, _, carried = self.arrays.used.tolist()
        return Export(self.arrays.rows[:used], self.arrays.high[: used if carried else 0], self.arrays.text[:text_used])

    def merge(self, other: Export) -> None:
        """Add the entries of another table's export."""
        self.make_room(len(other.text), len(other.rows))
        merge_entries(self.arrays, *other)

    def rows(self) -> list[Row]:
        """All entries, in no particular order."""
        return self.export().entries()
