"""The kernel of works beside a plain loop over the same records."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lurge.aggregate.records import RecordReader
from lurge.aggregate.works import SearchedTree, Works, WorksTally
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules
from lurge.model.works import Count, CountRules
from tests.site import DUMP_TIME, Entry

COUNTING = CountRules(True, (b".jpg", b".\xc3\xa9"), b"archive", 0.3, "full", "web")
EVERY = CountRules(False, (), b"ar", 0.3, "full", "web")
RULES = Rules(QUOTED_12, DUMP_TIME, (), (), (), (), PathAliases())
WORDS = st.sampled_from([
    b"t", b"p", b"w", b"archive", b"ar", b"archives", b"a.jpg", b"B.JPG", b"jpg", b".jpg", b"Thumbs.db", b"._a.jpg",
    b"._", b".DS_Store", b"x.\xc3\xa9", b"\xff\n",
])  # fmt: skip
PATHS = st.lists(WORDS, max_size=7).map(lambda words: b"/" + b"/".join(words))
TIMES = st.sampled_from([-5, 0, DUMP_TIME - 1, DUMP_TIME, DUMP_TIME + 9])
ENTRIES = st.builds(
    Entry, PATHS, st.sampled_from([0, 1, 2**32, 2**62]), st.just(1), st.integers(1, 2), TIMES, st.sampled_from("ffdl"),
    nlink=st.integers(1, 2),
)  # fmt: skip
TREES = st.lists(
    st.builds(SearchedTree, st.sampled_from([b"/t", b"/t/p", b"/t/p/", b"/"]), st.integers(1, 2)),
    min_size=1,
    max_size=3,
)


def plain(entries: list[Entry], trees: list[SearchedTree], counting: CountRules) -> Works:
    """The same, record by record."""
    found = Works()
    for entry in entries:
        assert isinstance(entry.path, bytes)
        for number, tree in enumerate(trees):
            top = tree.path.rstrip(b"/")
            if entry.path == (top or b"/") and entry.type == "d" and top:
                found.roots.add(number)
            if not entry.path.startswith(top + b"/") or entry.path == b"/":
                continue
            words = entry.path[len(top) + 1 :].split(b"/")
            if len(words) == 1 and entry.type == "d":
                found.made[number, entry.path] = 0
            if len(words) < tree.depth or (len(words) == tree.depth and entry.type != "d"):
                continue
            work = (number, b"/".join([top, *words[: tree.depth]]))
            count = found.counts.setdefault(work, Count())
            below = words[tree.depth :]
            is_archive = below[:1] == [counting.archive] and (len(below) > 1 or entry.type == "d")
            count.has_archive = count.has_archive or is_archive
            if below and entry.type == "f" and counting.is_counted(below[-1]):
                archived = below[0] == counting.archive and len(below) > 2
                count.add(int(counting.is_image(below[-1])), 1, entry.size, int(archived))
                count.see(entry.mtime)
    return found


@settings(max_examples=300)
@given(st.lists(ENTRIES, max_size=25), TREES, st.sampled_from([COUNTING, EVERY]), st.integers(0, 25))
def test_works_are_those_of_a_plain_loop(
    entries: list[Entry], trees: list[SearchedTree], counting: CountRules, cut: int
) -> None:
    tallies = [WorksTally(RULES, trees, counting) for _ in range(2)]
    for tally, part in zip(tallies, (entries[:cut], entries[cut:]), strict=True):
        text = np.frombuffer(bytearray(b"".join(entry.line() for entry in part)), np.uint8)
        for records in RecordReader(RULES).read(text, 1):
            tally.add(records)
    tallies[0].merge(tallies[1].export())
    assert tallies[0].export() == plain(entries, trees, counting)
