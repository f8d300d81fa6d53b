"""Telling the era of a dump from its content.

Within one dump every line must be of the dump's era: a line with another encoding or number of columns is malformed.
"""

from __future__ import annotations

from collections import Counter

from lurge.model.era import (
    QUOTED_11,
    QUOTED_12,
    SORTED_11,
    SORTED_ALPHABET,
    STANDARD_11,
    STANDARD_ALPHABET,
    Era,
)

SLASH = ord("/")

NEWEST = QUOTED_12
"""The era whose rules are for a dump of which no line speaks for any."""


def era_of_line(line: bytes) -> Era | None:
    """The era that one line (without its newline) speaks for; None if it speaks for none."""
    columns = line.count(b"\t") + 1
    if line.startswith(b'"/'):
        return {11: QUOTED_11, 12: QUOTED_12}.get(columns)
    if columns != 11:
        return None
    for alphabet, era in ((STANDARD_ALPHABET, STANDARD_11), (SORTED_ALPHABET, SORTED_11)):
        first, second = alphabet.find(line[:1]), alphabet.find(line[1:2])
        if first >= 0 and second >= 0 and (first << 2 | second >> 4) == SLASH:
            return era
    return None


def detect_era(sample: bytes) -> Era | None:
    """The era for which most lines of `sample`, bytes of a dump, speak; the first of equals, None if none speaks."""
    votes = Counter(era for line in sample.split(b"\n") if line and (era := era_of_line(line)) is not None)
    return votes.most_common(1)[0][0] if votes else None
