"""The largest and the oldest files, compared with sorting them all."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from lurge.aggregate.extremes import COMPARED, Extremes
from lurge.aggregate.volume import Pass
from lurge.model.era import QUOTED_12
from lurge.model.files import SMALL_BYTES, File, FileExtremes
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules
from tests.site import DUMP_TIME, Entry

RULES = Rules(QUOTED_12, DUMP_TIME, (), (), (), (), PathAliases())


def files(seed: int, values: int, prefix: str = "/") -> list[Entry]:
    """Files, some of which have several names, with few or many different sizes and times."""
    rng = random.Random(seed)
    entries = []
    for inode in range(3000):
        one = Entry(
            "",
            rng.randrange(values) * (SMALL_BYTES // 4),
            mtime=DUMP_TIME - rng.randrange(values),
            type=rng.choice("ffffd"),
            inode=inode,
            nlink=rng.choice([1, 1, 1, 2, 3, 0]),
        )
        for number in range(one.nlink if one.type == "f" else 1):
            entries.append(replace(one, path=f"{prefix}{rng.choice('abc')}/{rng.randrange(10)}/{inode}-{number}"))
    rng.shuffle(entries)
    return entries


def expected(entries: list[Entry], count: int) -> FileExtremes:
    """The same by sorting everything."""
    present = [entry for entry in entries if entry.type == "f" and entry.nlink]
    names: dict[int, list[Entry]] = {}
    for entry in present:
        names.setdefault(entry.inode, []).append(entry)
    first = [min(same, key=lambda entry: entry.path) for same in names.values()]
    found = [File(str(entry.path).encode(), entry.size, entry.mtime) for entry in first]
    small = [entry for entry in present if entry.size <= SMALL_BYTES]
    return FileExtremes(
        sorted(found, key=lambda file: (-file.bytes, file.mtime, file.path))[:count],
        sorted(found, key=lambda file: (file.mtime, -file.bytes, file.path))[:count],
        len(small),
        sum(entry.size // entry.nlink for entry in small),
    )


def counted(parts: list[list[Entry]], count: int) -> FileExtremes:
    """What the aggregate finds in several parts, each of which another process reads."""
    aggregate = Extremes(count)
    merged = Pass(RULES, [aggregate])
    for part in parts:
        one = Pass(RULES, [aggregate])
        for start in range(0, len(part), 700):
            text = bytearray(b"".join(entry.line() for entry in part[start : start + 700]))
            one.add(np.frombuffer(text, np.uint8), start + 1)
        merged.merge(one.export())
    return aggregate.result(merged.export().tallies[aggregate.name], RULES)


@pytest.mark.parametrize("count", [1, 10, 5000])
@pytest.mark.parametrize(
    ("values", "prefix"),
    [(100_000, "/"), (3, "/"), (1, "/"), (1, "/" + "long/" * (COMPARED // 5 + 1))],
    ids=["different", "similar", "equal", "equal and long"],
)
def test_extremes_are_those_of_sorting_everything(values: int, prefix: str, count: int) -> None:
    entries = files(values, values, prefix)
    assert counted([entries], count) == expected(entries, count)
    assert counted([entries[:2000], entries[2000:2001], entries[2001:]], count) == expected(entries, count)


@pytest.mark.parametrize("order", [1, -1])
def test_names_that_begin_with_others_keep_their_order(order: int) -> None:
    entries = [Entry(f"/p/{'x' * length}", 5, inode=length) for length in range(1, 40)]
    assert counted([entries[::order]], 3) == expected(entries, 3)
    assert [file.path for file in counted([entries[::order]], 3).largest] == [b"/p/x", b"/p/xx", b"/p/xxx"]
