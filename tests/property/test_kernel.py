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
from tests.passes import StandardPass
from tests.site import DUMP_TIME, encode
from tests.streams import arriving

ENCODINGS = {Encoding.STANDARD: "standard", Encoding.SORTED: "sorted", Encoding.QUOTED: "quoted"}

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

names = st.sampled_from(
    [b"foo", b"foobar", b"users", b"projects", b"x", b"a.BAM", b"b.bam.GZ", b"q", b"r", b".vault", b"keep", b".staged",
     b"archive", b".audit", b"07-YS93aHk_Pz8udHh0", b"01", b"e2", b"40-cGF0aC90by9zb21lL2ZpbGU=", b"-", b"00-", b"",
     b"0g-YQ==", b"07-YQ=", b"001-YQ==", "é".encode()]
) | st.binary(max_size=6)  # fmt: skip
paths = st.builds(
    lambda top, parts: b"/" + b"/".join([*top, *parts]),
    st.sampled_from([[b"p", b"foo"], [b"p"], [b"mdt1", b"t"], [b"mdt2", b"t"], []]),
    st.lists(names, max_size=6),
) | st.binary(max_size=12)
NEIGHBOURS = (
    [b"/", b"/p", b"/p/foo", b"/p/foo/", b"/p/foo/a.bam", b"/p/foo/b.gz", b"/p/foo/users", b"/p/foo/users/x",
     b"/p/foo/users/y", b"/p/foo/users/x/y", b"/p/foo/q", b"/p/foo/q/r", b"/p/foo/q/s", b"/p/foo/q/r/t",
     b"/p/foo/.vault/keep/07-YQ==", b"/p/foo/.vault/keep/08-!", b"/p/foo/.vault/x", b"/mdt1/t/a", b"/mdt2/t/a"]
    + [b"/p/foo/" + b"deep/" * 6 + rest for rest in
       (b"", b"a_name_that_is_longer_than_a_vector_Lengthy.SUFFIX", b"a_name_that_is_longer_than_a_vector.x",
        b"a_name_that_is_longer_than_a_vector", b"a_name_that_is_longer/than_a_vector", b"xLengthy.suffix",
        b"\"quoted\"")]
)  # fmt: skip
"""Paths of few directories, some of which are base directories or pseudo groups' themselves."""

neighbours = st.sampled_from(NEIGHBOURS)

numbers = st.one_of(
    st.integers(0, 5).map(lambda number: b"%d" % number),
    st.sampled_from(
        [2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, -1, -(2**63), -(2**63) - 1]
    ).map(lambda number: b"%d" % number),
    st.sampled_from(
        [b"", b"-", b"+1", b"007", b"-0", b" 1", b"1_0", b"1.0", b"0x1", b"\xd9\xa1", b"9" * 19, b"9" * 20]
    ),
    st.integers(DUMP_TIME - 5, DUMP_TIME + 5).map(lambda number: b"%d" % number),
)  # fmt: skip
small = st.integers(0, 4).map(lambda number: b"%d" % number)
types = st.sampled_from([bytes([kind]) for kind in b"ffffddlsbcFX"])


@st.composite
def valid_fields(draw: st.DrawFn, era: Era) -> list[bytes]:
    fields = [encode(draw(st.one_of(neighbours, paths)), ENCODINGS[era.encoding])]
    fields += [b"%d" % draw(st.sampled_from([0, 1, 7, 1000, 2**62, 2**63 - 1]) | st.integers(0, 10**18))]
    fields += [draw(small | st.just(b"987654321")), b"%d" % draw(st.sampled_from([1, 2, 3, 12345678, 4294967295]))]
    times = st.sampled_from([0, -5, 1706659200, DUMP_TIME, DUMP_TIME + 1, 2**63 - 1, -(2**63)])
    fields += [b"%d" % draw(times) for _ in range(3)]
    fields += [draw(types), b"%d" % draw(st.integers(0, 2**64 - 1)), draw(small), b"0", b"1"][: era.columns - 7]
    return fields


def valid_lines(era: Era) -> st.SearchStrategy[bytes]:
    return valid_fields(era).map(b"\t".join)


@st.composite
def changed_lines(draw: st.DrawFn, era: Era) -> bytes:
    """A line of which one column is anything."""
    fields = draw(valid_fields(era))
    fields[draw(st.integers(0, era.columns - 1))] = draw(numbers | st.binary(max_size=3))
    return b"\t".join(fields).replace(b"\n", b"")


@st.composite
def cut_lines(draw: st.DrawFn, era: Era) -> bytes:
    """A line that something happened to."""
    line = draw(valid_lines(era))
    place = draw(st.integers(0, len(line)))
    middle = draw(st.sampled_from([b"", b"\t", b"\r", b"\\", b'"', b"\0", b"=", b"\\x0", b"\\u12", b"\\U00110000"]))
    return line[:place] + middle + line[place + draw(st.integers(0, 3)) :]


BEHIND = b"." * 200
"""A line that is none."""


def any_lines(era: Era) -> st.SearchStrategy[bytes]:
    return st.one_of(
        valid_lines(era),
        changed_lines(era),
        cut_lines(era),
        valid_lines(era).map(lambda line: line + b"\r"),
        st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"")),
    )


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
    # All at once, and with enough behind them, lines are read with wide loads.
    whole = StandardPass(rules)
    whole.add(np.frombuffer(bytearray(b"\n".join([*lines, BEHIND])), np.uint8), 1)
    plain.add(BEHIND, len(lines) + 1)
    assert whole.report(len(lines) + 1) == plain.report(len(lines) + 1)


@pytest.mark.parametrize("era", RULES, ids=str)
@given(data=st.data(), last_newline=st.booleans(), block_lines=st.integers(1, 4), workers=st.integers(1, 3))
def test_kernel_equals_twin(era: Era, data: st.DataObject, last_newline: bool, block_lines: int, workers: int) -> None:
    lines = data.draw(st.lists(any_lines(era), max_size=12))
    compare(RULES[era], lines, last_newline, block_lines, workers)


@pytest.mark.parametrize("era", [STANDARD_11, SORTED_11, QUOTED_11], ids=str)
def test_every_pair_of_neighbours(era: Era) -> None:
    """What is kept of one record's directory and text must hold for the next record."""
    lines = [
        encode(path, ENCODINGS[era.encoding]) + b"\t5\t1\t%d\t1\t1\t1\t%c\t1\t1\t1" % (gid, kind)
        for gids in ((1, 1), (1, 2), (3, 3))
        for kind in b"fd"
        for first in NEIGHBOURS
        for second in NEIGHBOURS
        for path, gid in zip((first, second), gids, strict=True)
    ]
    compare(RULES[era], lines, True, 250, 1)


@given(text=st.text(alphabet=st.sampled_from('abfnrtvxuU0123456789abcdefDF\\"/é\t'), max_size=24))
@example(text="\\ud800")
@example(text="\\U0010ffff\\x00\\xff")
def test_escapes_equal_twin(text: str) -> None:
    line = b'"/p/foo/' + text.encode() + b'"\t1\t1\t1\t1\t1\t1\tf\t1\t1\t1'
    compare(RULES[QUOTED_11], [line], True, 250, 1)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_every_byte_in_paths(encoding: Encoding) -> None:
    era = {Encoding.STANDARD: STANDARD_11, Encoding.SORTED: SORTED_11, Encoding.QUOTED: QUOTED_11}[encoding]
    rest = b"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1"
    lines = [encode(b"/p/foo/%c/%c.bam" % (byte, byte), ENCODINGS[encoding]) + rest for byte in range(256)]
    compare(RULES[era], lines, True, 250, 2)


@pytest.mark.parametrize("length", [65535, 65536, 65537, 200_000])
def test_long_lines(length: int) -> None:
    rest = b"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1"
    line = b'"/p/foo/' + b"a/" * ((length - len(rest) - 9) // 2) + b'"' + rest
    line = line[:-1] + b"0" * (length - len(line)) + b"1"
    assert len(line) == length
    compare(RULES[QUOTED_11], [line, line[1:], b'"/p/foo/f"' + rest], True, 1, 1)


def test_sums_beyond_64_bits() -> None:
    line = b'"/p/foo/big"\t%d\t1\t1\t1\t1\t1\tf\t1\t1\t1' % (2**63 - 1)
    compare(RULES[QUOTED_11], [line] * 9, True, 2, 2)


def test_many_keys_grow_the_tables() -> None:
    lines = [
        b'"/p/foo/%d/.vault/keep/07-YS93aHk_Pz8udHh0"\t5\t%d\t1\t1\t1\t1\tf\t1\t1\t1' % (number, number)
        for number in range(5000)
    ]
    compare(RULES[QUOTED_11], lines, True, 250, 2)


def test_text_in_any_pieces() -> None:
    rules = RULES[QUOTED_11]
    line = b'"/p/foo/f"\t5\t1\t1\t1\t1\t1\tf\t1\t1\t1\n'
    whole = StandardPass(rules)
    whole.add(np.frombuffer(bytearray(line * 7), np.uint8), 1)
    for size in (1, 5, 40, 1000):
        chunks = [(line * 7)[i : i + size] for i in range(0, 7 * len(line), size)]
        parts = StandardPass(rules)
        for batch in cut(arriving(chunks), 2, Buffers(100)):
            parts.add(batch.text, batch.first_line)
        assert parts.report(7) == whole.report(7)
