"""The hostile input of soak and attack as strategies of hypothesis, which shrinks what fails."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from lurge.model.era import Era
from tests.hostile.entries import neighbour
from tests.hostile.lines import SPOILERS, written
from tests.hostile.values import BAD_KEYS, BRANCHES, FEW_NAMES, GIDS, ODD_NAMES, SIZES, TIMES, UIDS, VAULT_KEYS
from tests.site import DUMP_TIME, Entry

randoms = st.randoms(use_true_random=False)
"""Random numbers for the generators, chosen and shrunk by hypothesis."""

byte_names = st.sampled_from([*FEW_NAMES, *ODD_NAMES, *BRANCHES, *VAULT_KEYS, *BAD_KEYS]) | st.binary(max_size=6)
"""Names of files and directories; some hold a slash, as several names do."""

text_names = st.text(max_size=20) | st.sampled_from(ODD_NAMES).map(lambda name: name.decode("utf-8", "surrogateescape"))
"""Names as Python knows them: any characters, and bytes that are not UTF-8."""

numbers = st.integers(0, 5) | st.sampled_from([2**31, 2**32 - 1, 2**63 - 1])


def paths(tops: Sequence[bytes] = (b"",)) -> st.SearchStrategy[bytes]:
    """Absolute paths of hostile names, below some directories; and a few that are not absolute."""
    below = st.lists(byte_names, max_size=6).map(lambda parts: b"/".join([b"", *parts]))
    return st.builds(bytes.__add__, st.sampled_from(tops), below) | st.binary(max_size=12)


def entries(paths: st.SearchStrategy[bytes], gids: Sequence[int] = GIDS) -> st.SearchStrategy[Entry]:
    return st.builds(
        Entry,
        path=paths,
        size=st.sampled_from(SIZES) | st.integers(0, 10**18),
        uid=st.sampled_from(UIDS),
        gid=st.sampled_from(gids),
        mtime=st.sampled_from([*TIMES, DUMP_TIME - 86400, DUMP_TIME, DUMP_TIME + 1]),
        type=st.sampled_from("ffffddlsbcFX"),
        inode=st.integers(0, 2**64 - 1),
        nlink=st.integers(0, 4),
    )


def good_lines(entries: st.SearchStrategy[Entry], era: Era) -> st.SearchStrategy[bytes]:
    return st.builds(written, randoms, entries, st.just(era), st.booleans())


def any_lines(entries: st.SearchStrategy[Entry], era: Era) -> st.SearchStrategy[bytes]:
    """Lines of a dump: good, spoiled, or of any bytes; none holds a newline."""
    good = good_lines(entries, era)
    spoiled = [st.builds(spoil, randoms, good) for spoil in SPOILERS]
    lines = st.one_of(good, good, good, *spoiled, st.binary(max_size=80))
    return lines.map(lambda line: line.replace(b"\n", b""))


def texts(entries: st.SearchStrategy[Entry], era: Era, max_size: int = 12) -> st.SearchStrategy[list[bytes]]:
    """Lists of lines. Some lines are followed by that of a neighbour, which nearly equals the one before."""
    line = any_lines(entries, era).map(lambda line: [line])
    pair = st.builds(with_neighbour, randoms, entries, st.just(era), st.booleans())
    return st.lists(line | pair, max_size=max_size).map(lambda parts: [line for part in parts for line in part])


def with_neighbour(rng: random.Random, entry: Entry, era: Era, slashed: bool) -> list[bytes]:
    both = [entry, neighbour(rng, entry)]
    return [written(rng, each, era, slashed).replace(b"\n", b"") for each in both]
