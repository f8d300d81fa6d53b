"""Lines of dumps, good and spoiled, and the text of a whole dump."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace

from lurge.model.era import Encoding, Era
from lurge.model.report import LONGEST_LINE
from tests.hostile.entries import path_of
from tests.hostile.values import BAD_NUMBERS, BAD_PATHS, BLANKS, ENCODINGS, INSERTED
from tests.site import Entry

TYPE = 7
"""The column of an entry's type."""


def written(rng: random.Random, entry: Entry, era: Era, slashed: bool) -> bytes:
    """The line of an entry without its newline; some have escapes and zeros that are not needed."""
    if slashed and entry.type == "d" and not path_of(entry).endswith(b"/"):
        entry = replace(entry, path=path_of(entry) + b"/")
    columns = entry.line(ENCODINGS[era.encoding], era.columns)[:-1].split(b"\t")
    if rng.random() < 0.02:
        column = rng.choice([1, 2, 3, 4, 5, 6, 8, 9, 10])
        columns[column] = columns[column].zfill(rng.choice([2, 7, 8, 9, 15, 16, 17, 19, 20, 21]))
    if rng.random() < 0.01:
        column = rng.choice([4, 6, 10])
        columns[column] = b"%d" % rng.getrandbits(rng.randint(1, 63))
    if rng.random() < 0.01 and era.encoding is Encoding.QUOTED:
        slash = rng.choice([b"\\x2f", b"\\x2F", b"\\u002f", b"\\U0000002F"])
        columns[0] = columns[0][::-1].replace(b"/", slash[::-1], rng.randint(1, 3))[::-1]
    return b"\t".join(columns)


def with_another_number(rng: random.Random, line: bytes) -> bytes:
    columns = line.split(b"\t")
    column = rng.choice([number for number in range(1, len(columns)) if number != TYPE] or [0])
    digits = b"%d" % rng.getrandbits(rng.randint(1, 66))
    columns[column] = rng.choice([digits, digits.zfill(rng.randint(1, 24)), *rng.sample(BAD_NUMBERS, 4)])
    return b"\t".join(columns)


def with_another_type(rng: random.Random, line: bytes) -> bytes:
    columns = line.split(b"\t")
    columns[TYPE : TYPE + 1] = [rng.choice([b"", b"D", b"ff", b"q", b"\xff", b"5", b"\0"])]
    return b"\t".join(columns)


def with_other_columns(rng: random.Random, line: bytes) -> bytes:
    columns = line.split(b"\t")
    return b"\t".join(columns[: rng.randint(1, len(columns))] if rng.random() < 0.5 else [*columns, b"1", b"2"])


def with_another_separator(rng: random.Random, line: bytes) -> bytes:
    columns = line.split(b"\t")
    column = rng.randint(1, max(1, len(columns) - 1))
    return b"\t".join(columns[:column]) + rng.choice(INSERTED) + b"\t".join(columns[column:])


def with_a_changed_path(rng: random.Random, line: bytes) -> bytes:
    path, tab, rest = line.partition(b"\t")
    place = rng.randrange(len(path) + 1)
    return path[:place] + rng.choice(INSERTED) + path[place + rng.randint(0, 4) :] + tab + rest


def with_another_path(rng: random.Random, line: bytes) -> bytes:
    path, tab, rest = line.partition(b"\t")
    return rng.choice([path[1:], path * 2, path + b"QUFB", path[:-1] + b'x"', *rng.sample(BAD_PATHS, 3)]) + tab + rest


def changed_anywhere(rng: random.Random, line: bytes) -> bytes:
    place = rng.randrange(len(line) + 1)
    return line[:place] + rng.choice([b"", *INSERTED]) + line[place + rng.randint(0, 3) :]


def blank_or_framed(rng: random.Random, line: bytes) -> bytes:
    return rng.choice([*BLANKS, b"\xef\xbb\xbf" + line, line + b"\r", line + b"\t"])


def any_bytes(rng: random.Random, line: bytes) -> bytes:
    return rng.randbytes(rng.randint(0, 300)).replace(b"\n", b"")


SPOILERS: dict[Callable[[random.Random, bytes], bytes], int] = {
    with_another_number: 3,
    with_another_type: 1,
    with_other_columns: 1,
    with_another_separator: 1,
    with_a_changed_path: 1,
    with_another_path: 1,
    changed_anywhere: 1,
    blank_or_framed: 1,
    any_bytes: 1,
}
"""Functions that change a line, and their shares. The line may still be valid."""


def spoiled(rng: random.Random, line: bytes) -> bytes:
    """A line that was changed at random."""
    (spoil,) = rng.choices([*SPOILERS], [*SPOILERS.values()])
    return spoil(rng, line)


def over_long(rng: random.Random, line: bytes) -> bytes:
    """A line about as long as the longest that is read, by zeros before a number or by its path."""
    length = rng.choice([LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, LONGEST_LINE + 7, 3 * LONGEST_LINE])
    if line.startswith(b'"/') and rng.random() < 0.5:
        return b'"/' + b"y/" * ((length - len(line)) // 2) + line[2:]
    path, _, rest = line.partition(b"\t")
    return path + b"\t" + b"0" * (length - len(line)) + rest


def text_of(rng: random.Random, records: Iterable[Entry], era: Era, slashed: bool) -> bytes:
    """The text of a dump. The share of spoiled lines is random, and often 0."""
    share = rng.choice([0, 0, 0.001, 0.01, 0.1])
    carriage = rng.random() < 0.02
    lines = []
    for entry in records:
        line = written(rng, entry, era, slashed)
        if rng.random() < share:
            # A bad line must not be completed by values that were kept from a good line that begins in the same way.
            lines += [line] * rng.choice([0, 0, 1])
            line = spoiled(rng, line)
        if carriage and rng.random() < 0.3:
            line += b"\r"
        lines.append(line)
    for _ in range(rng.choice([0, 0, 1, 4])):
        place = rng.randrange(len(lines))
        lines.insert(place, over_long(rng, lines[place]))
    return b"\n".join(lines) + (b"\n" if rng.random() < 0.9 else b"")
