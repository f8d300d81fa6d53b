"""The kernel and its plain twin give equal reports, whatever the lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lurge.aggregate.plain import PlainAggregator
from lurge.model.era import QUOTED_11, QUOTED_12, SORTED_11, STANDARD_11, Encoding, Era
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup, Rules
from lurge.parallel.blocks import Buffers, cut
from tests.hostile import strategies
from tests.hostile.values import ENCODINGS
from tests.passes import StandardPass
from tests.site import DUMP_TIME, Entry, encode
from tests.streams import arriving

# Hypothesis shrinks a failure for up to five minutes.
pytestmark = pytest.mark.timeout(900)

RULES = {
    era: Rules(
        era=era,
        dump_time=DUMP_TIME,
        directories=(
            (1, b"/p/foo"),
            (1, b"/p/foo/users/x"),
            (2, b"/p/foo"),
            (2, b"/mdt1/t"),
            (2, b"/mdt2/t/"),
            (3, b"/"),
            (4294967295, b"/p"),
            (-1, b"/p/foo/q"),
        ),
        pseudo_groups=(PseudoGroup("/p/foo/q", -1, "q", None), PseudoGroup("/p/foo/q/r", -2, "r", "R")),
        filetypes=(
            FileType("BAM", (".bam", ".BAM.gz")),
            FileType("GZ", (".gz",)),
            FileType("X", ("x", "é")),
            FileType("Long", ("_Lengthy.Suffix", ".suffix", "x")),
        ),
        deep_directories=("users", "projects"),
        aliases=PathAliases.compile([("/mdt[0-9]", "/t"), ("/p/(f)oo/users", r"/u/\1")]),
    )
    for era in (STANDARD_11, SORTED_11, QUOTED_11, QUOTED_12)
}

NEIGHBOURS = (
    [b"/", b"/p", b"/p/foo", b"/p/foo/", b"/p/foo/a.bam", b"/p/foo/b.gz", b"/p/foo/users", b"/p/foo/users/x",
     b"/p/foo/users/y", b"/p/foo/users/x/y", b"/p/foo/q", b"/p/foo/q/r", b"/p/foo/q/s", b"/p/foo/q/r/t",
     b"/p/foo/.vault/keep/07-YQ==", b"/p/foo/.vault/keep/08-!", b"/p/foo/.vault/x", b"/mdt1/t/a", b"/mdt2/t/a"]
    + [b"/p/foo/" + b"deep/" * 13 + rest for rest in
       (b"", b"a_name_that_is_longer_than_a_vector_Lengthy.SUFFIX", b"a_name_that_is_longer_than_a_vector.x",
        b"a_name_that_is_longer_than_a_vector", b"a_name_that_is_longer/than_a_vector", b"xLengthy.suffix",
        b"\"quoted\"")]
)  # fmt: skip
"""Paths in a few directories, some of which are base directories or belong to pseudo groups."""

TOPS = (b"", b"/p", b"/p/foo", b"/mdt1/t", b"/mdt2/t")
GIDS = (1, 2, 3, 12345678, 4294967295)


def entries() -> st.SearchStrategy[Entry]:
    """Entries below the base directories of RULES, or near them."""
    return strategies.entries(st.sampled_from(NEIGHBOURS) | strategies.paths(TOPS), GIDS)


LONG = b"." * 200
"""An invalid line, long enough that the lines before and behind it are read with wide loads."""


def texts(era: Era) -> st.SearchStrategy[list[bytes]]:
    """Good and spoiled lines for RULES."""
    return strategies.texts(entries(), era)


def compare(rules: Rules, lines: list[bytes], last_newline: bool, block_lines: int, workers: int) -> None:
    """Read lines block by block in several aggregators, merge them, and compare with the twin."""
    plain = PlainAggregator(rules)
    for number, line in enumerate(lines, 1):
        plain.add(line, number)
    text = b"\n".join(lines) + (b"\n" if lines and (last_newline or not lines[-1]) else b"")
    parts = [StandardPass(rules) for _ in range(workers)]
    counted = 0
    for i, batch in enumerate(cut(arriving([text]), block_lines, Buffers(300))):
        parts[i % workers].add(batch.text, batch.first_line)
        counted += batch.lines
    merged = StandardPass(rules)
    for part in reversed(parts):
        merged.merge(part.export())
    report = merged.report(counted)
    assert report == plain.report(len(lines))
    # All at once, and with enough around them, lines are read with wide loads.
    whole, plain = StandardPass(rules), PlainAggregator(rules)
    wide_lines = [LONG, *lines, LONG]
    whole.add(np.frombuffer(bytearray(b"\n".join(wide_lines)), np.uint8), 1)
    for number, line in enumerate(wide_lines, 1):
        plain.add(line, number)
    assert whole.report(len(wide_lines)) == plain.report(len(wide_lines))


@pytest.mark.parametrize("era", RULES, ids=str)
@given(data=st.data(), last_newline=st.booleans(), block_lines=st.integers(1, 4), workers=st.integers(1, 3))
def test_the_kernel_gives_the_report_of_the_twin_on_hostile_lines(
    era: Era, data: st.DataObject, last_newline: bool, block_lines: int, workers: int
) -> None:
    lines = data.draw(texts(era))
    compare(RULES[era], lines, last_newline, block_lines, workers)


@pytest.mark.parametrize("era", [STANDARD_11, SORTED_11, QUOTED_11], ids=str)
def test_no_value_kept_from_a_record_is_used_for_another_neighbour(era: Era) -> None:
    """Values of the directory and the text of a record are kept for the next one."""
    lines = [
        encode(path, ENCODINGS[era.encoding]) + b"\t5\t1\t%d\t1\t1\t1\t%c\t1\t1\t1" % (gid, kind)
        for gids in ((1, 1), (1, 2), (3, 3))
        for kind in b"fd"
        for first in NEIGHBOURS
        for second in NEIGHBOURS
        for path, gid in zip((first, second), gids, strict=True)
    ]
    compare(RULES[era], lines, True, 250, 1)


SUFFIXES = st.text(st.sampled_from("abB."), min_size=1, max_size=11)


@given(
    types=st.lists(st.lists(SUFFIXES, min_size=1, max_size=5), max_size=12),
    names=st.lists(st.text(st.sampled_from("abB."), min_size=1, max_size=14), min_size=1, max_size=30),
)
def test_files_count_for_the_types_of_the_twin(types: list[list[str]], names: list[str]) -> None:
    filetypes = tuple(FileType(f"type {number}", tuple(suffixes)) for number, suffixes in enumerate(types))
    lines = [b'"/p/%s"\t%d\t1\t1\t1\t1\t1\tf\t1\t1\t1' % (name.encode(), 2**i) for i, name in enumerate(names)]
    compare(Rules(QUOTED_11, DUMP_TIME, ((1, b"/p"),), (), filetypes, (), PathAliases()), lines, True, 250, 1)


@given(text=st.text(alphabet=st.sampled_from('abfnrtvxuU0123456789abcdefDF\\"/é\t'), max_size=24))
@example(text="\\ud800")
@example(text="\\U0010ffff\\x00\\xff")
@example(text="\\U00110000")
def test_the_kernel_decodes_escapes_like_the_twin(text: str) -> None:
    line = b'"/p/foo/' + text.encode() + b'"\t1\t1\t1\t1\t1\t1\tf\t1\t1\t1'
    compare(RULES[QUOTED_11], [line], True, 250, 1)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_path_may_hold_every_byte(encoding: Encoding) -> None:
    era = {Encoding.STANDARD: STANDARD_11, Encoding.SORTED: SORTED_11, Encoding.QUOTED: QUOTED_11}[encoding]
    rest = b"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1"
    lines = [encode(b"/p/foo/%c/%c.bam" % (byte, byte), ENCODINGS[encoding]) + rest for byte in range(256)]
    compare(RULES[era], lines, True, 250, 2)


@pytest.mark.parametrize("length", [65535, 65536, 65537, 200_000])
def test_lines_up_to_the_longest_are_read_and_longer_ones_rejected(length: int) -> None:
    rest = b"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1"
    line = b'"/p/foo/' + b"a/" * ((length - len(rest) - 9) // 2) + b'"' + rest
    line = line[:-1] + b"0" * (length - len(line)) + b"1"
    assert len(line) == length
    compare(RULES[QUOTED_11], [line, line[1:], b'"/p/foo/f"' + rest], True, 1, 1)


def test_sums_beyond_64_bits_are_exact() -> None:
    line = b'"/p/foo/big"\t%d\t1\t1\t1\t1\t1\tf\t1\t1\t1' % (2**63 - 1)
    compare(RULES[QUOTED_11], [line] * 9, True, 2, 2)


def test_tables_grow_with_their_keys() -> None:
    lines = [
        b'"/p/foo/%d/.vault/keep/07-YS93aHk_Pz8udHh0"\t5\t%d\t1\t1\t1\t1\tf\t1\t1\t1' % (number, number)
        for number in range(5000)
    ]
    compare(RULES[QUOTED_11], lines, True, 250, 2)


@pytest.mark.parametrize("size", [1, 5, 40, 1000])
def test_text_may_arrive_in_pieces_of_any_size(size: int) -> None:
    rules = RULES[QUOTED_11]
    text = b'"/p/foo/f"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1\n' * 7
    whole, parts = StandardPass(rules), StandardPass(rules)
    whole.add(np.frombuffer(bytearray(text), np.uint8), 1)
    for batch in cut(arriving(text[i : i + size] for i in range(0, len(text), size)), 2, Buffers(100)):
        parts.add(batch.text, batch.first_line)
    assert parts.report(7) == whole.report(7)
