"""Objects as the lines of a dump: in wrstat's newest form, sorted by path.

Every object is a line of its own, with one link. A latest version that is no delete marker is a file; an old version
has the type X, so that its bytes count, and it is no file; a delete marker is left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from lurge.model.inventory import ENCODED
from lurge.source.quote import quote_inside

NEEDED = ("key", ENCODED, "size", "lastmodifieddate", "islatest", "isdeletemarker", "objectowner")
"""The columns from which lines are made."""

NOT_PLAIN = r"[^ !#-\[\]-~]"
"""A character that is not written as it is (source/quote.py)."""

NOBODY = 65534
"""The number of users and groups that are not known."""

FIRST_HASHED, HASHED = 1 << 30, 1 << 30
"""Owners that are not numbers have the numbers of this range, by their CRC-32 (zlib)."""

LONGEST_NUMBER, LARGEST_NUMBER = 10, 2**32 - 1
"""Digits of a number of a user or group in a dump, and the largest one."""

FILE, OLD_VERSION = "f", "X"


@dataclass(frozen=True)
class Owner:
    """The group and the user of the objects below a prefix of a bucket. prefix: of keys, without a slash at the end."""

    prefix: str
    gid: int
    uid: int | None = None


def number_of(owner: str | None) -> int:
    """The number of an object's owner: itself if it is a number, else one of its own."""
    if not owner:
        return NOBODY
    if owner.isascii() and owner.isdecimal() and len(owner) <= LONGEST_NUMBER and int(owner) <= LARGEST_NUMBER:
        return int(owner)
    return FIRST_HASHED + zlib.crc32(owner.encode()) % HASHED


class Lines:
    """Makes the lines of a bucket. gids: the groups that occurred so far."""

    def __init__(self, bucket: str, owners: Sequence[Owner]) -> None:
        self._bucket = bucket
        self._owners = sorted(owners, key=lambda owner: len(owner.prefix))
        self._count = 0
        self.gids: set[int] = set()

    def of(self, rows: pa.RecordBatch | pa.Table) -> bytes:
        """The lines of some rows, with the columns NEEDED."""
        rows = rows.filter(pc.invert(pc.fill_null(rows["isdeletemarker"], False)))
        count = rows.num_rows
        if not count:
            return b""
        gids, uids = self._numbers(rows)
        self.gids.update(pc.unique(gids).to_pylist())
        seconds = pc.floor_temporal(rows["lastmodifieddate"], unit="second").cast(pa.timestamp("s", "UTC"))
        times = pc.fill_null(seconds.cast(pa.int64()), 0)
        kinds = pc.if_else(pc.fill_null(rows["islatest"], True), FILE, OLD_VERSION)
        sizes = text(pc.fill_null(rows["size"], 0))
        time = text(times)
        numbers = text(pa.array(range(self._count + 1, self._count + count + 1), pa.int64()))
        self._count += count
        one, device = pa.scalar("1"), pa.scalar("0")
        columns = [
            self._paths(rows),
            sizes,
            text(uids),
            text(gids),
            time,
            time,
            time,
            kinds,
            numbers,
            one,
            device,
            sizes,
        ]
        lines = pc.binary_join_element_wise(*columns, "\t")
        return ("\n".join(lines.to_pylist()) + "\n").encode()

    def _numbers(self, rows: Any) -> tuple[pa.Array, pa.Array]:
        """The gid and the uid of each row: of the longest prefix, else of the object's owner."""
        owners = combined(rows["objectowner"]).dictionary_encode()
        known = pa.array([number_of(owner) for owner in owners.dictionary.to_pylist()], pa.int64())
        own = pc.fill_null(known.take(owners.indices), NOBODY)
        gids = uids = own
        for owner in self._owners:
            below = pc.starts_with(rows["key"], f"{owner.prefix}/" if owner.prefix else "")
            if owner.prefix:
                below = pc.or_(below, pc.equal(rows["key"], owner.prefix))
            gids = pc.if_else(below, owner.gid, gids)
            uids = pc.if_else(below, own if owner.uid is None else owner.uid, uids)
        return combined(gids), combined(uids)

    def _paths(self, rows: Any) -> pa.Array:
        """The quoted paths."""
        keys = combined(rows["key"])
        odd = pc.or_(pc.match_substring_regex(keys, NOT_PLAIN), combined(rows[ENCODED]).is_valid())
        if pc.any(odd).as_py():
            pairs = zip(keys.filter(odd).to_pylist(), combined(rows[ENCODED]).filter(odd).to_pylist(), strict=True)
            quoted = [
                quote_inside(unquote_to_bytes(encoded) if encoded else key.encode()).decode() for key, encoded in pairs
            ]
            keys = pc.replace_with_mask(keys, odd, pa.array(quoted, pa.string()))
        bucket = quote_inside(self._bucket.encode()).decode()
        return pc.binary_join_element_wise(f'"/{bucket}/', keys, '"', "")


def combined(column: Any) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def text(numbers: Any) -> pa.Array:
    """Numbers as text."""
    return combined(pc.cast(numbers, pa.string()))
